"""Data that holds one sample, and data sets that give one at a time."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ..networks.parts import items_of
from ..reading.bindings import Binding, Kind
from ..reading.limits import FLAGS_HANDED
from ..reading.nodes import Function, last_word
from ..reading.values import (
    Class,
    Known,
    Routine,
    argument_for,
    default_of,
    parameters,
    unpacks,
)
from ..resolving.callers import all_calls
from ..resolving.classes import keyword
from ..resolving.lineage import lineage, method_of
from ..resolving.members import returns_of
from ..resolving.numbers import number
from ..resolving.option_defaults import option_defaults
from ..resolving.resolve import values
from ..resolving.saying import local_value

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module

_STEPS = 20  # from a data set back to where it is made
_DEFAULT_OF_LOADER = ast.Constant(1)
_BATCHES = ("batch", "padded_batch", "unbatch")


def size_of_one(module: Module, size: ast.expr) -> bool:
    """Whether a batch size is 1: as written, by default, or for every caller."""
    if number(module, size) == 1 or is_option_of_one(module, size):
        return True
    match size:
        case ast.Name():
            found = module.scopes.lookup(size)
            match found[1] if found else ():
                case [binding] if binding.kind is Kind.PARAMETER and isinstance(
                    binding.place, Function
                ):
                    return _is_one_for_all(module, binding.place, size.id)
                case [binding] if binding.kind is Kind.VALUE and isinstance(
                    binding.node, ast.Attribute
                ):
                    return is_option_of_one(module, binding.node)
    return False


def _is_one_for_all(module: Module, function: Function, name: str) -> bool:
    """Whether a parameter is 1 by default, and for every caller in sight."""
    default = default_of(function, name)
    by_default = default is not None and number(module, default) == 1
    calls = all_calls(module, function)
    for where, call, skipped in calls:
        passed = argument_for(call, function, name, skipped)
        if unpacks(call) or (passed is None and not by_default):
            return False
        if passed is not None and number(where, passed) != 1:
            return False
    return bool(calls) or by_default


def passed_as_one(module: Module, function: Function, name: str) -> ast.expr | None:
    """Where a parameter gets the 1 that it has for every caller, if there is one."""
    if not _is_one_for_all(module, function, name):
        return None
    for where, call, skipped in all_calls(module, function):
        passed = argument_for(call, function, name, skipped)
        if passed is None or where is module:
            return passed or default_of(function, name)
    return None


def is_option_of_one(module: Module, size: ast.expr) -> bool:
    """Whether it is `args.batch_size`, and the option is 1 if it is not given."""
    defaults = option_defaults(module, size)
    return bool(defaults) and all(number(module, one) == 1 for one in defaults)


def batch_of_one(
    module: Module, data: ast.expr | None, depth: int = 0
) -> ast.AST | None:
    """Where a data set, generator or array is made that gives one sample at a time.

    That may be in another file, whose function makes it.
    """
    if depth > FLAGS_HANDED:
        return None
    item = _item(module, data)
    if item is not None:
        return _first_of_one(item, depth)
    for node in _written_out(module, data):
        if isinstance(node, ast.Name):
            return _first_of_one(_passed(module, node), depth)
        if isinstance(node, ast.Call):
            if last_word(node.func) in _BATCHES and node.args:
                return node if size_of_one(module, node.args[0]) else None
            size = keyword(node, "batch_size") or _size_for_loader(module, node)
            if size is not None:
                return node if size_of_one(module, size) else None
            for value in values(module, node.func):
                if isinstance(value, Class) and _gives_batches(value):
                    return _single_batches(module, node, value)
                if isinstance(value, Routine):
                    made = returns_of(value.module, value.node)
                    given = [(value.module, returned) for returned in made]
                    return _single_item(value) or _first_of_one(given, depth)
    return None


def _first_of_one(made: list[tuple[Module, ast.expr]], depth: int) -> ast.AST | None:
    """The first of some data sets, if all of them give one sample at a time."""
    places = [batch_of_one(*one, depth + 1) for one in made]
    return places[0] if places and None not in places else None


def _item(
    module: Module, data: ast.expr | None
) -> list[tuple[Module, ast.expr]] | None:
    """What `training` is in `training, test = load()`; None if that is not known."""
    found = module.scopes.lookup(data) if isinstance(data, ast.Name) else None
    match found and found[1]:
        case [Binding(kind=Kind.ITEM, node=ast.Call() as call, index=int() as index)]:
            return list(items_of(module, call, index)) or None
    return None


def _passed(module: Module, name: ast.Name) -> list[tuple[Module, ast.expr]]:
    """What all callers pass for a parameter; nothing if one is not in sight."""
    found = module.scopes.lookup(name)
    given: list[tuple[Module, ast.expr]] = []
    match found and found[1]:
        case [Binding(kind=Kind.PARAMETER, place=function)] if isinstance(
            function, Function
        ):
            for where, call, skipped in all_calls(module, function):
                passed = argument_for(call, function, name.id, skipped)
                if passed is None:
                    return []
                given.append((where, passed))
    return given


def _size_for_loader(module: Module, made: ast.Call) -> ast.expr | None:
    """The second argument of PyTorch's `DataLoader`, or its default."""
    if (
        Known("torch.utils.data.DataLoader") not in values(module, made.func)
        or unpacks(made)
        or keyword(made, "batch_sampler") is not None
    ):
        return None
    return made.args[1] if len(made.args) > 1 else _DEFAULT_OF_LOADER


def _gives_batches(cls: Class) -> bool:
    """Whether it extends what `fit` takes its batches from, one by one."""
    return any(
        isinstance(base, Known) and base.name.endswith((".PyDataset", ".Sequence"))
        for base in lineage(cls)
    )


def _single_batches(module: Module, made: ast.Call, cls: Class) -> ast.AST | None:
    """What makes each batch one sample: the size that it is given, or its items."""
    constructor = method_of(cls, "__init__")
    if constructor is not None and "batch_size" in parameters(constructor.node):
        size = argument_for(made, constructor.node, "batch_size", 1)
        if size is not None:
            return made if size_of_one(module, size) else None
        size = default_of(constructor.node, "batch_size")
        single = size is not None and size_of_one(constructor.module, size)
        return made if single and not unpacks(made) else None
    items = method_of(cls, "__getitem__")
    return None if items is None else _single_item(items)


def _single_item(routine: Routine) -> ast.AST | None:
    """What a generator yields, or a function returns, if that is one sample."""
    made = returns_of(routine.module, routine.node)
    for item in made:
        parts = item.elts if isinstance(item, ast.Tuple) else []
        if not parts or not is_single(routine.module, parts[0]):
            return None
    return made[0] if made else None


def _written_out(module: Module, data: ast.expr | None) -> Iterator[ast.AST]:
    """The calls by which a data set is made, the last one first.

    The parameter that it is, if it is passed in.
    """
    for _ in range(_STEPS):
        match data:
            case ast.Name():
                found = module.scopes.lookup(data)
                nodes = [candidate.node for candidate in found[1]] if found else []
                if len(nodes) != 1 or not isinstance(nodes[0], ast.expr):
                    if len(nodes) == 1 and isinstance(nodes[0], ast.arg):
                        yield data
                    return
                data = nodes[0]
            case ast.Call(func=ast.Name(id="enumerate" | "tqdm"), args=[inner, *_]):
                data = inner
            case ast.Call(func=ast.Attribute(value=inner, attr=name)):
                yield data
                if name in _BATCHES:
                    return
                data = inner
            case ast.Call():
                yield data
                return
            case _:
                return


def is_single(module: Module, sample: ast.expr) -> bool:
    """Whether an array surely holds one sample: `x[i : i + 1]`, `state[None]`."""
    match local_value(module, sample):
        case ast.Subscript(slice=ast.Tuple(elts=[index, *_]) | index):
            return _is_new_axis(index) or _is_length_one(module, index)
        case ast.Call(func=function, args=given) as call:
            name = last_word(function)
            if name == "expand_dims" and given:
                axis = keyword(call, "axis") or (given[1] if len(given) > 1 else None)
                return isinstance(axis, ast.Constant) and axis.value == 0
            if name == "reshape":
                shape = _shape(module, function, given)
                first = shape[0] if len(shape) > 1 else None
                return isinstance(first, ast.Constant) and first.value == 1
            if name in ("array", "asarray") and len(given) == 1:
                return _is_list_of_one(given[0])
    return False


def _is_new_axis(index: ast.expr) -> bool:
    match index:
        case ast.Constant(value=None) | ast.Attribute(attr="newaxis"):
            return True
    return False


def _is_length_one(module: Module, index: ast.expr) -> bool:
    """`:1`, or `i : i + 1`, or `i : i + size` with a size of 1."""
    match index:
        case ast.Slice(lower=None | ast.Constant(value=0), upper=ast.Constant(value=1)):
            return index.step is None
        case ast.Slice(
            lower=ast.expr() as lower,
            upper=ast.BinOp(left=left, op=ast.Add(), right=right),
            step=None,
        ) if ast.unparse(lower) == ast.unparse(left):
            return size_of_one(module, right)
    return False


def _shape(module: Module, function: ast.expr, given: list[ast.expr]) -> list[ast.expr]:
    """`(1, -1)`, in one tuple or as arguments."""
    if any(isinstance(value, Known) for value in values(module, function)):
        given = given[1:]  # np.reshape(x, (1, -1))
    match given:
        case [ast.Tuple(elts=shape) | ast.List(elts=shape)]:
            return shape
    return given


def _is_list_of_one(items: ast.expr) -> bool:
    """`[state]` of an array; `[3]` is one number."""
    match items:
        case ast.List(elts=[ast.Name() | ast.Subscript() | ast.Attribute()]):
            return True
    return False
