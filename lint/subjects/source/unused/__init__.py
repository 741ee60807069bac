"""Batch normalization and dropout that a network is written with and does not use."""
