"""Phases of graphs that are False by default, and never fed in training."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from ..reading import hints
from ..reading.nodes import last_word
from ..resolving.classes import keyword
from .session_runs import fetched, has_training_op

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module

_SPEAKS = re.compile(
    r"train(ing|able)\b|is_train|phase|dropout|keep_prob", re.IGNORECASE
)


def never_fed(module: Module, flags: set[str]) -> Iterator[tuple[ast.Call, str]]:
    """Yield each such `placeholder_with_default(False, ...)`, and its name.

    It is the flag of a layer, a session runs the training op, and all that feeds this
    is written out and holds no phase.
    """
    made = list(_false_by_default(module, flags))
    if made and _trains_without_phase(module):
        for call, name in made:
            if not _is_fed_elsewhere(module, name):
                yield call, name


def restored_unfed(module: Module) -> Iterator[ast.Call]:
    """Yield calls that restore a graph to train it, where nothing speaks of its phase.

    The phase that Keras makes for a graph is False unless it is fed.
    """
    restoring = module.calls_by_name.get("import_meta_graph", ())
    if restoring and not _SPEAKS.search(module.code) and _trains_without_phase(module):
        yield from restoring


def _false_by_default(
    module: Module, flags: set[str]
) -> Iterator[tuple[ast.Call, str]]:
    for call in module.calls_by_name.get("placeholder_with_default", ()):
        default = call.args[0] if call.args else keyword(call, "input")
        match default, module.scopes.parents.get(call):
            case (
                ast.Constant(value=False) | ast.Call(args=[ast.Constant(value=False)]),
                ast.Assign(targets=[target]),
            ):
                name = ast.unparse(target)
                if name in flags:
                    yield call, name


def _trains_without_phase(module: Module) -> bool:
    """Whether training ops are run, and no feed that they get may hold a phase."""
    runs = [
        call
        for call in module.calls_by_name.get("run", ())
        if (ran := fetched(call)) is not None and has_training_op(module, ran)
    ]
    return bool(runs) and all(_feeds_no_phase(module, run) for run in runs)


def _feeds_no_phase(module: Module, run: ast.Call) -> bool:
    given = run.args[1] if len(run.args) > 1 else keyword(run, "feed_dict")
    if given is None:
        return True
    if isinstance(given, ast.Name):
        assigned = [
            node.value
            for node in module.scopes.of(ast.Assign)
            if any(last_word(target) == given.id for target in node.targets)
        ]
    else:
        assigned = [given]
    return bool(assigned) and all(
        isinstance(each, ast.Dict)
        and not any(key is None or _may_be_phase(key) for key in each.keys)
        for each in assigned
    )


def _may_be_phase(key: ast.expr) -> bool:
    return any(map(hints.is_flag_like, (ast.unparse(key), last_word(key))))


def _is_fed_elsewhere(module: Module, name: str) -> bool:
    """Whether something is stored or fed under that name, here or in another file.

    True as well if the project is too large to tell.
    """
    word = name.rpartition(".")[2]
    stores = re.compile(rf"\[[\w.'\"]*\b{word}\b[^\]]*\]\s*=[^=]|\b{word}['\":]*\s*:")
    importing = re.compile(rf"\.{word}\b|\b{word}\b(?=[^=(]*$)", re.MULTILINE)
    handed = re.compile(rf"(?<!\bself)\.{word}\b|[\"'/]{word}(:0)?[\"']")
    texts = module.project.texts.by_path.values()
    return (
        not texts
        or module.matches(stores)
        or any(
            importing.search(text)
            if module.imported_as in text
            else word != name and handed.search(text)
            for text in texts
            if text != module.text
        )
    )
