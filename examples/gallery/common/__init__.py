"""Data, networks, runs, tables and pictures that the scripts of the gallery share.

Each script has three functions: `run(short)` measures and returns the numbers,
`report(results)` makes a text of them, and `draw(results)` a picture. `command` makes a
command of the three.
"""

from .backend import array, keras, layers
from .command import command
from .data import Data, digits, mnist
from .networks import convolutional, dense
from .pictures import BLACK, BLUE, GREEN, ORANGE, PURPLE, RED, SKY, band, panels, save
from .text import sentence, spread, table
from .training import Trainer, accuracy, at_best_rate, gradients, slopes_of

__all__ = [
    "BLACK",
    "BLUE",
    "GREEN",
    "ORANGE",
    "PURPLE",
    "RED",
    "SKY",
    "Data",
    "Trainer",
    "accuracy",
    "array",
    "at_best_rate",
    "band",
    "command",
    "convolutional",
    "dense",
    "digits",
    "gradients",
    "keras",
    "layers",
    "mnist",
    "panels",
    "save",
    "sentence",
    "slopes_of",
    "spread",
    "table",
]
