"""Images that are scaled for a pretrained network which scales them itself."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ... import names
from ..reading import hints
from ..reading.nodes import last_word
from ..reading.values import Known
from ..resolving.classes import keyword
from ..resolving.resolve import values

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module

# Of `keras.applications`, those with batch normalization that begin with a scaling.
_SCALES = re.compile(
    r"\.(EfficientNet(B\d|V2\w+)|MobileNetV3(Small|Large)|RegNet[XY]\d+|ResNetRS\d+)$"
)
_MENTIONED = ("EfficientNet", "MobileNetV3", "RegNet", "ResNetRS")
_TOP = 255
_SHOWS = re.compile(
    r"imshow|imsave|imwrite|fromarray|subplot|save_img|plot|array_to_img"
)
_SHOWING = re.compile(r"show|plot|displ|visual|draw|overlay|heat|cam|grad", re.I)
_OTHERS = {
    "mask",
    "masks",
    "label",
    "labels",
    "target",
    "targets",
    "y",
    "heatmap",
    "cam",
}


@dataclass(frozen=True)
class ScaledTwice:
    """A scaling of images to [0, 1], and the network that scales them again.

    Attributes:
        node: the division, or the number that they are scaled by.
        network: the name of the network.
        surely: whether the file has no other pretrained network.
    """

    node: ast.AST
    network: str
    surely: bool


def scaled_twice(module: Module) -> Iterator[ScaledTwice]:
    """Yield the first scaling of a file with such a network that is pretrained."""
    if module.is_test or not (module.mentions(*_MENTIONED) and module.mentions("255")):
        return
    scaling: set[str] = set()
    others = False
    for call in module.calls:
        for value in values(module, call.func):
            if not (isinstance(value, Known) and names.is_application(value.name)):
                continue
            if not last_word(call.func)[:1].isupper():
                continue  # preprocess_input
            if _SCALES.search(value.name) is None:
                others = True
            elif _is_pretrained(call) and not _leaves_scaling(call):
                scaling.add(value.name.rpartition(".")[2])
            break
    if scaling and not _scales_back(module):
        for node in _scalings(module):
            yield ScaledTwice(node, min(scaling), surely=not others)
            return


def _is_pretrained(call: ast.Call) -> bool:
    given = keyword(call, "weights")
    return given is None or (
        isinstance(given, ast.Constant) and given.value is not None
    )


def _leaves_scaling(call: ast.Call) -> bool:
    match keyword(call, "include_preprocessing"):
        case None | ast.Constant(value=True):
            return False
    return True


def _scales_back(module: Module) -> bool:
    """Whether anything is multiplied by 255, as an image to be shown may be."""
    return any(
        isinstance(node.op, ast.Mult) and (_is_top(node.left) or _is_top(node.right))
        for node in module.scopes.of(ast.BinOp)
    )


def _scalings(module: Module) -> Iterator[ast.AST]:
    """The places where images are scaled, other than those that are shown."""
    for call in module.calls:
        given = keyword(call, "rescale")
        if last_word(call.func) == "Rescaling":
            given = keyword(call, "scale") or (call.args[0] if call.args else None)
        if given is not None and _is_share(given):
            yield given
    for node in (*module.scopes.of(ast.BinOp), *module.scopes.of(ast.AugAssign)):
        match node:
            case (
                ast.BinOp(left=images, op=ast.Div(), right=by)
                | ast.AugAssign(target=images, op=ast.Div(), value=by)
            ) if _is_top(by) and not isinstance(images, ast.Constant):
                if not _is_other(module, node, images):
                    yield node


def _is_other(module: Module, node: ast.AST, scaled: ast.expr) -> bool:
    """Whether what is scaled is no image for a network, or is one to be shown."""
    if not _OTHERS.isdisjoint(hints.words_of(ast.unparse(scaled))):
        return True
    if any(map(_SHOWING.search, module.scopes.names_around(node))):
        return True
    return any(
        isinstance(outer, ast.Call) and _SHOWS.search(last_word(outer.func)) is not None
        for outer in module.scopes.ancestors(node)
    )


def _is_top(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value == _TOP


def _is_share(node: ast.expr) -> bool:
    """Whether it is 1 / 255."""
    match node:
        case ast.BinOp(left=ast.Constant(value=1), op=ast.Div(), right=by):
            return _is_top(by)
    return False
