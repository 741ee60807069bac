"""Calls of BN itself, as a layer or as a function, and their flag."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from ... import names
from ..networks.frozen import freezes
from ..reading.values import Class, Items, Known, Result, dict_entries
from ..resolving.classes import instance_of, keyword
from ..resolving.lineage import lineage, project_lineage
from ..resolving.members import members
from ..resolving.resolve import values
from ..resolving.saying import FLAG, FLAG_OF_FUNCTIONS, How, Said, says
from .batch_norms import batch_norm_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module

# Words by which a class says that it is meant to infer.
_STILL = re.compile(
    r"fr(ee|o)z|fixed|still|trainable|infer|eval|test|constant|affine|always|only",
    re.IGNORECASE,
)
_TRAINS = re.compile(r"\.fit\(|apply_gradients\(|train_on_batch\(")
_LOADS = re.compile(
    r"load_(?!data\b)\w+|(?<!np)\.load\(|restore|weights\s*=|set_weights|imagenet"
    r"|applications|pretrain|h5|hub\."
)
# With `\b` at the beginning it would take twenty times as long.
_MODE_2 = re.compile(r"mode(?<=\bmode)\s*=\s*2\b")


def is_function(module: Module, call: ast.Call) -> bool:
    """Whether it is BN as a function of TensorFlow 1, or `functools.partial` of one."""
    found = values(module, call.func)
    if Known("functools.partial") in found and call.args:
        found = values(module, call.args[0])
    return any(
        isinstance(value, Known) and value.name in names.BATCH_NORM_FUNCTIONS
        for value in found
    )


def flag_of(module: Module, call: ast.Call) -> Said | None:
    """Return what the call's flag says, or None if it has none."""
    match call:
        case ast.Call(args=[_, ast.Constant(value=bool() | None), *_]):
            pass
        case _ if not any(
            argument.arg in (FLAG, FLAG_OF_FUNCTIONS) for argument in call.keywords
        ):
            return _packed_flag(module, call)
    for name in (FLAG, FLAG_OF_FUNCTIONS):
        said = says(module, call, name=name)
        given = isinstance(said.node, ast.keyword) and said.node.arg == name
        if given or (name == FLAG and said.how is How.CONSTANT):
            return said
    return None


def _packed_flag(module: Module, call: ast.Call) -> Said | None:
    """The constant flag in `**options`, written out or set before in the function."""
    for argument in call.keywords:
        if argument.arg is not None:
            continue
        found = [
            dict_entries(value).get(FLAG)
            for value in values(module, argument.value)
            if isinstance(value, Items)
        ]
        match found or [_set_before(module, argument)]:
            case [ast.Constant(value=bool() | None as flag)]:
                return Said(How.CONSTANT, argument, flag, packed=True)
    return None  # most calls need no search for what they call


def _set_before(module: Module, packed: ast.keyword) -> ast.expr | None:
    """The value of `kwargs["training"] = ...` before a call with `**kwargs`."""
    function = module.scopes.enclosing_function(packed)
    body = [] if isinstance(function, ast.Lambda | None) else function.body
    for statement in body:
        match statement:
            case ast.Assign(
                targets=[
                    ast.Subscript(
                        value=ast.Name() as name, slice=ast.Constant(value=key)
                    )
                ],
                value=given,
            ) if key == FLAG and name.id == ast.unparse(packed.value):
                return given if statement.lineno < packed.lineno else None
    return None


def calls_base(module: Module, call: ast.Call) -> bool:
    """Whether a BN layer calls the BN layer that it extends."""
    return _calls_base_in_project(module, call) or any(
        isinstance(value, Known)
        and value.name.rpartition(".")[0] in names.BATCH_NORM_LAYERS
        and value.name.endswith((".call", ".__call__"))
        for value in values(module, call.func)
    )


def _calls_base_in_project(module: Module, call: ast.Call) -> bool:
    """Whether it is `super().call` of a class that leaves that to Keras' BN."""
    match call.func:
        case ast.Attribute(
            value=ast.Call(func=ast.Name(id="super")), attr="call" | "__call__" as name
        ):
            node = module.scopes.enclosing_class(call)
        case _:
            return False
    cls = None if node is None else instance_of(module, node)
    if node is None or cls is None or batch_norm_name(cls) is None:
        return False
    own = Class(module, node)
    classes = project_lineage(cls)
    between = classes[classes.index(own) + 1 :]
    return not any(name in members(base.module, base.node).methods for base in between)


def is_batch_norm(module: Module, call: ast.Call) -> bool:
    """Whether a BN layer is called, or a function of TensorFlow 1 that is one."""
    if is_function(module, call):
        return bool(call.keywords)  # its second argument is not the flag
    if calls_base(module, call):
        # A layer that extends BN to keep it frozen passes False.
        said = flag_of(module, call)
        if said is None or said.how is not How.CONSTANT:
            return True
        if said.flag is False and not said.packed:
            return not _is_meant_to_infer(module, call)
        return bool(said.flag)
    for value in values(module, call.func):
        if isinstance(value, Result) and batch_norm_name(value.maker) is not None:
            frozen = freezes(module).for_good(call.func)
            return not frozen and not _may_be_frozen(value)
    return False


def _is_meant_to_infer(module: Module, call: ast.Call) -> bool:
    """Whether a class, or a comment in it, says so, where there is anything to keep."""
    owner = module.scopes.enclosing_class(call)
    first, last = (0, 0) if owner is None else (owner.lineno, owner.end_lineno or 0)
    says_so = _STILL.search("\n".join(module.lines[first - 1 : last])) is not None
    return says_so and not _learns_from_nothing(module)


def _learns_from_nothing(module: Module) -> bool:
    """Whether the project trains, and never loads what was trained before."""
    texts = module.project.texts.by_path.values()
    return any(map(_TRAINS.search, texts)) and not any(map(_LOADS.search, texts))


def _may_be_frozen(layer: Result) -> bool:
    """Whether it is built with `trainable`; in TensorFlow 1, with a constant False."""
    given = keyword(layer.call, "trainable")
    if given is None:
        return False
    return isinstance(given, ast.Constant) or not _is_of_tf_layers(layer)


def is_of_graphs(module: Module, call: ast.Call) -> bool:
    """Whether BN of `tf.layers` is called, which infers unless its flag is True."""
    return is_function(module, call) or any(
        isinstance(value, Result) and _is_of_tf_layers(value)
        for value in values(module, call.func)
    )


def _is_of_tf_layers(layer: Result) -> bool:
    maker = layer.maker
    return any(
        isinstance(base, Known) and base.name.startswith("tensorflow.layers.")
        for base in (lineage(maker) if isinstance(maker, Class) else [maker])
    )


def batch_modes(module: Module) -> Iterator[ast.expr]:
    """Yield each `mode=2` of Keras 1, which only ever normalizes with the batch."""
    for call in module.calls if module.matches(_MODE_2) else ():
        mode = keyword(call, "mode")
        if (
            isinstance(mode, ast.Constant)
            and mode.value == 2
            and any(
                isinstance(value, Known) and value.name in names.BATCH_NORM_LAYERS
                for value in values(module, call.func)
            )
        ):
            yield mode
