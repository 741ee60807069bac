"""A network for scikit-learn's digits with two BN pitfalls, as they occur in the wild.

It runs, it trains, and nothing warns; `model-lint digits_wrong.py` does.
"""

import keras
from keras import layers


class Net(keras.Model):
    """Two convolutions with BN. The mistakes are marked below."""

    def __init__(self):
        super().__init__()
        self.rows = layers.Reshape((8, 8, 1))
        self.conv1 = layers.Conv2D(16, 3, use_bias=False)
        self.bn1 = layers.BatchNormalization(momentum=0.1)  # 0.1 as in PyTorch
        self.conv2 = layers.Conv2D(32, 3, use_bias=False)
        self.bn2 = layers.BatchNormalization(momentum=0.1)
        self.pool = layers.GlobalAveragePooling2D()
        self.hidden = layers.Dense(64, use_bias=False)
        self.bn3 = layers.BatchNormalization(momentum=0.1)
        self.head = layers.Dense(10, activation="softmax")

    def call(self, images):  # no `training`: Keras 3 then never passes it on
        x = self.rows(images)
        x = keras.ops.relu(self.bn1(self.conv1(x)))
        x = keras.ops.relu(self.bn2(self.conv2(x)))
        x = keras.ops.relu(self.bn3(self.hidden(self.pool(x))))
        return self.head(x)


def build():
    """The network, built for images of 8 x 8 pixels."""
    model = Net()
    model(keras.ops.zeros((1, 8, 8)))  # builds it
    return model
