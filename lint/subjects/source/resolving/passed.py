"""Expressions that calls pass for a parameter, also by `**settings` and `**kwargs`."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ..reading.bindings import Kind
from ..reading.limits import FLAGS_HANDED
from ..reading.nodes import Function
from ..reading.values import argument_for, default_of, dict_entries
from .callers import is_called_widely
from .packed import settings_of
from .runs import Run, callers_of, is_run_by

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module

# An expression, where it stands, and the call that runs the function it is in. Or None,
# if it is not known what is passed.
Given = tuple["Module", ast.expr, Run | None] | None


def passed_for(
    module: Module, function: Function, name: str, run: Run | None
) -> Iterator[Given]:
    """Yield what the calls in sight pass for a parameter, or its default, once."""
    default = default_of(function, name)
    left_out = None if default is None else (module, default, None)
    if not is_run_by(function, run) and is_called_widely(module, function):
        yield None
    called, defaulted = False, False
    for where, call, skipped, outer in callers_of(module, function, run):
        called = True
        given = argument_for(call, function, name, skipped)
        if given is not None:
            yield where, given, outer
            continue
        for one in by_name(where, call, name, outer, left_out):
            if one is None or one is not left_out:
                yield one
            elif not defaulted:
                defaulted = True
                yield one
    if not called:
        yield None
        if left_out is not None:
            yield left_out


def by_name(
    module: Module,
    call: ast.Call,
    name: str,
    run: Run | None,
    left_out: Given,
    depth: int = 0,
) -> Iterator[Given]:
    """Yield what a call passes by a name; `left_out` if it does not pass it."""
    packed = [keyword.value for keyword in call.keywords if keyword.arg is None]
    starred = any(isinstance(argument, ast.Starred) for argument in call.args)
    given = [keyword.value for keyword in call.keywords if keyword.arg == name]
    if given:
        yield module, given[0], run
    elif starred or len(packed) > 1 or depth > FLAGS_HANDED:
        yield None
    elif packed:
        yield from _unpacked(module, packed[0], name, run, left_out, depth + 1)
    else:
        yield left_out


def collected(
    module: Module, name: ast.expr, key: str, run: Run | None, left_out: Given
) -> Iterator[Given] | None:
    """What calls pass by the key into `**kwargs`; None if the name is not such."""
    function = _collector(module, name)
    if function is None:
        return None
    return _collected(module, function, key, run, left_out, 0)


def _collected(
    module: Module,
    function: Function,
    key: str,
    run: Run | None,
    left_out: Given,
    depth: int,
) -> Iterator[Given]:
    called = False
    for where, call, _, outer in callers_of(module, function, run):
        called = True
        yield from by_name(where, call, key, outer, left_out, depth)
    if not called:
        yield None
        if left_out is not None:
            yield left_out


def _unpacked(
    module: Module,
    packed: ast.expr,
    name: str,
    run: Run | None,
    left_out: Given,
    depth: int,
) -> Iterator[Given]:
    function = _collector(module, packed)
    if function is not None:
        yield from _collected(module, function, name, run, left_out, depth)
        return
    settings = settings_of(module, packed)
    if settings is None:
        yield None
        return
    given = dict_entries(settings).get(name)
    yield left_out if given is None else (settings.module, given, run)


def _collector(module: Module, name: ast.expr) -> Function | None:
    """The function whose `**kwargs` it is."""
    found = module.scopes.lookup(name) if isinstance(name, ast.Name) else None
    match found and found[1]:
        case [binding] if binding.kind is Kind.PARAMETER:
            function = binding.place
            if isinstance(function, Function) and binding.node is function.args.kwarg:
                return function
    return None
