"""Running statistics estimated again from data, with the weights as they are."""

from kerasbn.recalibration.estimate import RecalibratedLayer, recalibrate

__all__ = ["RecalibratedLayer", "recalibrate"]
