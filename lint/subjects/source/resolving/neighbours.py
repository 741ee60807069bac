"""The files of a project that may share objects with a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..reading.bindings import Kind
from ..reading.imports import imported
from ..reading.limits import FILES_CALLING
from ..reading.memo import remembered
from ..reading.values import Whole

if TYPE_CHECKING:
    from ..reading.module import Module


@remembered
def files_sharing(module: Module) -> tuple[Module, list[Module]]:
    """The module, as others import it, and those that share networks with it.

    Just the module itself, if it is used alone, or by too many to read.
    """
    project = module.project
    home = project.load(module.path)
    users = [] if home is None else [*project.naming(home.imported_as)]
    if home is None or not users or len(users) > FILES_CALLING:
        return module, [module]
    near = [home, *users]
    for user in users:
        near += modules_imported(user)
    return home, list({other.real_path: other for other in near}.values())


@remembered
def modules_imported(module: Module) -> list[Module]:
    """The files of the project that a module imports."""
    found = []
    for bindings in module.scopes.top.bindings.values():
        for binding in bindings:
            if binding.kind is Kind.IMPORT:
                for one in imported(module, binding.dotted):
                    if isinstance(one, Whole):
                        found.append(one.module)
                    elif isinstance(one, tuple):
                        found.append(one[0])
    return found
