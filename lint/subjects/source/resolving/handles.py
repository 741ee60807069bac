"""Names and calls by which a function of a module may be run.

A step is passed on before it is called: to `tf.function`, to a training loop as an
argument, to `strategy.run(step, args=...)`, to an attribute. The names are read from
the text alone; `values` decides whether a call by such a name runs the function.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ..reading.limits import NUMBERS_HANDED
from ..reading.memo import remembered
from ..reading.nodes import last_word

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module
    from ..reading.nodes import Function

# Wrappers that return a function that behaves like the one they are given.
WRAPPERS = (
    *("function", "jit", "partial", "checkpoint", "remat", "recompute_grad"),
    *("grad", "value_and_grad"),
)
# Methods that run a function with `args=(...)`.
_RUNNERS = ("run", "experimental_run_v2", "experimental_run", "call_for_each_replica")


def name_of(module: Module, function: Function | ast.ClassDef) -> str:
    """The name of a function or class, or the one that a lambda is bound to."""
    match function, module.scopes.parents.get(function):
        case ast.Lambda(), ast.Assign(targets=[ast.Name(id=name)]):
            return name
        case ast.Lambda(), ast.Assign(targets=[ast.Attribute(attr=name)]):
            return name
    return getattr(function, "name", "")


@remembered
def names_of(module: Module, function: Function | ast.ClassDef) -> frozenset[str]:
    """The last words of the calls that may run the function, or make an instance."""
    name = name_of(module, function)
    found, pending = {name}, [name]
    for _ in range(NUMBERS_HANDED):
        new = {
            one for expression in pending for one in _handed_to(module, expression)
        } - found
        found |= new
        pending = list(new)
    return frozenset(found)


@remembered
def names_of_instances(module: Module, cls: ast.ClassDef) -> frozenset[str]:
    """The last words of the calls that may call an instance of a class."""
    given = [
        name
        for made in module.calls_by_name.get(cls.name, ())
        for name in _flows_to(module, made)
    ]
    return frozenset(given).union(*(_handed_to(module, name) for name in given))


@remembered
def runs_of(module: Module) -> list[tuple[ast.expr, ast.Call]]:
    """List what `strategy.run(step, args=...)` and the like run, and their calls.

    So does `Thread(target=step, args=...)`.
    """
    found = []
    for word in ("Thread", "Process"):
        for call in module.calls_by_name.get(word, ()):
            started = {keyword.arg: keyword.value for keyword in call.keywords}
            if "target" in started:
                made = _call(call, _items(started), _keywords(started))
                found.append((started["target"], made))
    for word in _RUNNERS:
        for call in module.calls_by_name.get(word, ()):
            if call.args and isinstance(call.func, ast.Attribute):
                packed: dict[str | None, ast.expr] = {}
                packed.update(zip(("args", "kwargs"), call.args[1:3], strict=False))
                packed.update({keyword.arg: keyword.value for keyword in call.keywords})
                made = _call(call, _items(packed), _keywords(packed))
                found.append((call.args[0], made))
    return found


def joined(partial: ast.Call, call: ast.Call) -> ast.Call:
    """The call that calling `partial(function, ...)` comes to."""
    keywords = [*partial.keywords, *call.keywords]
    return _call(call, [*partial.args[1:], *call.args], keywords)


def _call(cls: ast.Call, args: list[ast.expr], keywords: list[ast.keyword]) -> ast.Call:
    return ast.copy_location(ast.Call(cls.func, args, keywords), cls)


def _items(packed: dict[str | None, ast.expr]) -> list[ast.expr]:
    match packed.get("args"):
        case ast.Tuple(elts=given) | ast.List(elts=given):
            return list(given)
    return []


def _keywords(packed: dict[str | None, ast.expr]) -> list[ast.keyword]:
    match packed.get("kwargs"):
        case ast.Dict(keys=keys, values=given):
            return [
                ast.keyword(str(key.value), value)
                for key, value in zip(keys, given, strict=True)
                if isinstance(key, ast.Constant)
            ]
    return []


@remembered
def _references(module: Module) -> dict[str, list[ast.expr]]:
    """The uses of names and attributes other than to call them."""
    index: dict[str, list[ast.expr]] = {}
    uses: tuple[ast.Name | ast.Attribute, ...] = (
        *module.scopes.of(ast.Name),
        *module.scopes.of(ast.Attribute),
    )
    for node in uses:
        if isinstance(node.ctx, ast.Load):
            parent = module.scopes.parents.get(node)
            called = isinstance(parent, ast.Call) and parent.func is node
            if not called and isinstance(parent, ast.Call | ast.keyword | ast.Assign):
                index.setdefault(last_word(node), []).append(node)
    return index


@remembered
def _definitions(module: Module) -> dict[str, list[ast.FunctionDef]]:
    """The functions that a call by a name may run; a constructor by its class."""
    index: dict[str, list[ast.FunctionDef]] = {}
    for node in module.scopes.of(ast.FunctionDef):
        owner = module.owner_of(node)
        made = owner is not None and node.name == "__init__"
        name = owner.name if made and owner is not None else node.name
        index.setdefault(name, []).append(node)
    return index


@remembered
def _handed_to(module: Module, name: str) -> frozenset[str]:
    """The names that the thing of this name gets by assignments and by calls."""
    found: set[str] = set()
    for node in _references(module).get(name, ()):
        found.update(_flows_to(module, node))
    return frozenset(found)


def _flows_to(module: Module, node: ast.expr) -> Iterator[str]:
    parent = module.scopes.parents.get(node)
    call: ast.AST | None = parent
    match parent:
        case ast.Assign(targets=targets):
            yield from filter(None, map(last_word, targets))
        case ast.keyword(arg=name):
            yield from [name] if name else []
            call = module.scopes.parents.get(parent)
        case ast.Call(func=called) if called is node:
            yield ""  # it is called right away, and has no name
        case ast.Call(args=args) if node in args:
            for function in _definitions(module).get(last_word(parent.func), ()):
                parameters = [*function.args.posonlyargs, *function.args.args]
                skipped = int(module.owner_of(function) is not None)
                place = args.index(node) + skipped
                yield from (
                    parameter.arg for parameter in parameters[place : place + 1]
                )
    if isinstance(call, ast.Call):
        made = last_word(call.func)
        if not made and isinstance(call.func, ast.Call):
            made = last_word(call.func.func)  # tf.function(jit_compile=True)(step)
        if made in WRAPPERS:
            yield from _flows_to(module, call)
