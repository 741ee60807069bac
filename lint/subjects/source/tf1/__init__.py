"""Graphs and sessions of TensorFlow 1, and layers of Keras in them."""
