"""Names of handlers and the like are not those of functions."""

import lint

SOURCE = """\
import tensorflow as tf

class R(tf.keras.layers.Layer):
    def __init__(self):
        super().__init__()
        self.bn = tf.keras.layers.BatchNormalization()
        self.other = tf.keras.layers.BatchNormalization()

    def call(self, x, training=None):
        try:
            x = x + 1
        except ValueError:
            x = self.bn(x, training=True)
        match x:
            case [*_]:
                x = self.other(x, training=True)
        return x
"""


def test_a_handler_without_a_name_is_no_mistake(folder):
    found = lint.check_text(SOURCE, "a.py", keras_version="2")
    assert [(finding.code, finding.line) for finding in found] == [
        ("BN103", 13),
        ("BN103", 16),
    ]
