"""BN214: images are scaled for a network that scales them itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..findings import Severity
from ..subjects import source
from .rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..findings import Finding
    from ..subjects.source import Module


class ScaledTwice(Rule):
    """Images are scaled for a pretrained network that scales them itself.

    ## What it does
    Reports the first division of images by 255, as in `rescale=1 / 255`, in a file that
    makes a pretrained EfficientNet, MobileNetV3, RegNet or ResNetRS of
    `keras.applications`. It is reported as info where the file has other pretrained
    networks as well.

    ## Why is this bad
    These networks begin with the scaling and take 0 to 255. Scaled twice, all images
    are nearly black: the running statistics of the first layers are of other data, and
    those of all others with them. What is fine-tuned learns by the statistics of its
    batches, while validation, by the running ones, stays at chance.

    ## Limits
    A division that stands by what is shown, or by masks and labels, is left alone, and
    so is a file that multiplies by 255.

    ## References
    - https://keras.io/api/applications/efficientnet/
    - https://github.com/keras-team/keras-io/issues/1549
    """

    code = "BN214"
    name = "scaled-twice"
    severity = Severity.WARNING
    bad = """\
import keras

(x, y), _ = keras.datasets.cifar10.load_data()
x = x.astype("float32") / 255
base = keras.applications.EfficientNetB0(include_top=False, pooling="avg")
model = keras.Sequential([base, keras.layers.Dense(10)])
"""
    good = bad.replace(" / 255", "")

    def check_source(self, module: Module) -> Iterator[Finding]:
        """Report the first such scaling."""
        for found in source.scaled_twice(module):
            yield self.finding(
                f"{found.network} scales its input itself and takes 0 to 255: scaled "
                "before, images are unlike those of its running statistics; leave this "
                "scaling out",
                module.location(found.node),
                None if found.surely else Severity.INFO,
            )
