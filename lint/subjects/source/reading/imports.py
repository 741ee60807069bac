"""Bindings of names from outside a module: found, not yet evaluated."""

from __future__ import annotations

import builtins
from typing import TYPE_CHECKING

from ... import names
from .bindings import Binding
from .values import Known, Whole

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .module import Module

Found = Known | Whole | tuple["Module", Binding]

# The meaning of these names is known even if a project has folders of that name.
_OUTSIDE = {
    *("keras", "tf_keras", "keras_core", "tensorflow", "tf_slim", "kerasbn"),
    *("functools", "jax"),
}


def is_outside(dotted: str) -> bool:
    """Whether a dotted name is known, whatever the project itself holds."""
    return dotted.partition(".")[0] in _OUTSIDE


def exported(module: Module, name: str) -> Iterator[Found]:
    """Yield what the name is in that module, once it has been imported."""
    bindings = module.scopes.top.bindings.get(name)
    if bindings:
        for binding in bindings:
            yield module, binding
        return
    submodule = module.project.find(module.path, "." + name)
    if submodule is not None and module.path.name == "__init__.py":
        yield Whole(submodule)
        return
    yield from _from_stars(module, name)


def imported(module: Module, dotted: str) -> Iterator[Found]:
    """Yield what an import binds: part of the project, else something known by name."""
    outside = is_outside(dotted)
    found = None if outside else module.project.find(module.path, dotted)
    if found is not None:
        yield Whole(found)
        return
    package, _, name = dotted.rpartition(".")
    parent = (
        package + "." if dotted.startswith(".") and not package.strip(".") else package
    )
    found = None if outside or not parent else module.project.find(module.path, parent)
    if found is not None:
        yield from exported(found, name)
    elif not dotted.startswith("."):
        yield Known(names.canonical(dotted))


def unbound(module: Module, name: str) -> Iterator[Found]:
    """A name that the module does not bind: from a star import, or a builtin."""
    found = False
    for candidate in _from_stars(module, name):
        found = True
        yield candidate
    if not found and hasattr(builtins, name):
        yield Known(name)


def _from_stars(module: Module, name: str) -> Iterator[Found]:
    for prefix in module.scopes.top.stars:
        package = prefix if not prefix.strip(".") else prefix.rstrip(".")
        if is_outside(package):
            known = names.canonical(prefix + name)
            if names.is_documented(known):
                yield Known(known)
            continue
        found = module.project.find(module.path, package)
        if found is not None and module.project.trail.enter(module.tree):
            yield from exported(found, name)
            module.project.trail.leave(module.tree)
