"""The same network put right: BN sees whether it is in training, and sees every pixel.

The first BN keeps axes 1 and 2, so each of the 64 pixels is standardized on its own.
Zero-debiased statistics are right from the first step on.
"""

import keras
from keras import layers

from kerasbn import BatchNormalization


def build():
    """The network, as a Functional model for images of 8 x 8 pixels."""
    images = keras.Input((8, 8), name="images")
    x = BatchNormalization(axis=[1, 2], zero_debias=True, name="pixels")(images)
    x = layers.Reshape((8, 8, 1))(x)
    x = layers.Conv2D(16, 3, use_bias=False, name="conv1")(x)
    x = BatchNormalization(momentum=0.9, zero_debias=True, name="bn1")(x)
    x = layers.ReLU()(x)
    x = layers.Conv2D(32, 3, use_bias=False, name="conv2")(x)
    x = BatchNormalization(momentum=0.9, zero_debias=True, name="bn2")(x)
    x = layers.ReLU()(x)
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dense(64, use_bias=False, name="hidden")(x)
    x = BatchNormalization(momentum=0.9, zero_debias=True, name="bn3")(x)
    x = layers.ReLU()(x)
    digits = layers.Dense(10, activation="softmax", name="digits")(x)
    return keras.Model(images, digits)
