"""TensorFlow 1: training ops, and the BN whose updates they must run."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from . import names
from .batch_norms import batch_norm_name
from .classes import calls_in, keyword
from .resolve import values
from .scopes import Kind, last_word
from .values import Class, Items, Known, Literal, Partial, Result, Routine, dict_entries

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .module import Module
    from .values import Value

_TRAINING = ("minimize", "apply_gradients")
_OPTIMIZER = re.compile(r"(tensorflow\.train|contrib\.opt)\.\w*Optimizer\w*$")
# What runs the updates by itself, or fetches them in a way of its own.
_RUNS_UPDATES = re.compile(
    r"\b(create_train_op|optimize_loss|get_updates_for|make_train_op|slim\.learning)\b"
    r"|\.updates\b|add_update\("
)
# Where their functions may come from; others need not be searched for them.
_FUNCTIONS = re.compile(r"\b(contrib|slim|tf_slim|v1|tf\.layers|tensorflow\.layers)\b")
# Where Keras trains, operations run at once, or functions are traced.
_RUNS_LAYERS = re.compile(
    r"\.fit\w*\(|train_on_batch|GradientTape|\benable_eager|Estimator|tf\.function"
)
_FETCH = re.compile(r"UPDATE_OPS|update", re.IGNORECASE)
_NO_COLLECTION = re.compile(r"updates_collections['\"]?\s*[=:]\s*None")
_MOST_FUNCTIONS = 400


def training_ops(module: Module) -> Iterator[ast.Call]:
    """Every call that makes the op by which an optimizer of TensorFlow 1 trains."""
    for word in _TRAINING:
        for call in module.calls_by_name.get(word, ()):
            if call.args and isinstance(call.args[0], ast.Lambda):
                continue  # TensorFlow 2
            if isinstance(call.func, ast.Attribute) and any(
                _is_optimizer(each) for each in values(module, call.func.value)
            ):
                yield call


def _is_optimizer(value: Value) -> bool:
    return (
        isinstance(value, Result)
        and isinstance(value.of, Known)
        and _OPTIMIZER.match(value.of.name) is not None
    )


def needs_updates(module: Module) -> bool:
    """Whether the module, or what it calls, builds BN whose updates others must run."""
    return any(_leaves_updates(*each) for each in _reached_calls(module))


def runs_updates(module: Module) -> bool:
    """Whether the module, what it calls, or what imports it runs the updates."""
    around = {each for each, _ in _reached_calls(module)}
    around |= {
        other
        for other in module.project.naming("UPDATE_OPS")
        if _imports(other, module)
    }
    return any(_runs_updates(each) for each in {module, *around})


def leaves_updates_in_layers(module: Module) -> bool:
    """Whether Keras layers hold updates that the module and what it calls never run.

    In a graph of TensorFlow 1 they are in `layer.updates`, and in no collection.
    """
    calls = [] if _RUNS_LAYERS.search(module.text) else list(_reached_calls(module))
    around = {each for each, _ in calls}
    return any(_is_keras_layer(*each) for each in calls) and not any(
        _RUNS_UPDATES.search(each.text) for each in {module, *around}
    )


def _is_keras_layer(module: Module, call: ast.Call) -> bool:
    """Whether it calls BN of Keras and lets both phases come."""
    given = _argument(module, call, "training", packed=False)
    return given not in ([False], [True]) and any(
        isinstance(value, Result)
        and str(batch_norm_name(value.of)).startswith("keras.layers.")
        for value in values(module, call.func)
    )


def calls_without_flag(module: Module) -> Iterator[tuple[ast.Call, str, bool]]:
    """Calls of BN that leave its flag out: (call, name of the flag, its default)."""
    if not _FUNCTIONS.search(module.text):
        return
    scoped: bool | None = None
    for call in module.calls:
        normalizer = keyword(call, "normalizer_fn")
        for function in (call.func, normalizer):
            for value in values(module, function) if function is not None else ():
                name = _applied(value)
                by_place = isinstance(value, Result) and len(call.args) > 1
                if name is None or by_place or keyword(call, "trainable") is not None:
                    continue
                by_contrib = name in names.DECAY_FUNCTIONS
                flag = "is_training" if by_contrib else "training"
                packed = function is normalizer
                given = _argument(module, call, flag, packed=packed)
                if given or _is_partly_given(value, flag):
                    continue
                if packed and not _is_known(module, keyword(call, "normalizer_params")):
                    continue
                if by_contrib and scoped is None:
                    scoped = _runs_in_arg_scope(module)
                if not (by_contrib and scoped):
                    yield call, flag, by_contrib


def _runs_in_arg_scope(module: Module) -> bool:
    """Whether it, what imports it, or what imports that, may set the flag for it."""
    if module.mentions("arg_scope"):
        return True
    users = list(_importers(module))
    users += [each for user in users for each in _importers(user)]
    return any(_scopes_batch_norm(each) for each in users)


def _applied(value: Value) -> str | None:
    """The name of a BN function, or of a layer of tf.layers that is called."""
    if isinstance(value, Result):
        is_layer = value.of == Known("tensorflow.layers.BatchNormalization")
        return value.of.name if is_layer and isinstance(value.of, Known) else None
    name = batch_norm_name(value)
    return name if name in names.BATCH_NORM_FUNCTIONS else None


def _is_partly_given(value: Value, flag: str) -> bool:
    return isinstance(value, Partial) and (
        keyword(value.call, flag) is not None
        or any(each.arg is None for each in value.call.keywords)
    )


def _is_known(module: Module, params: ast.expr | None) -> bool:
    """Whether it is told which parameters the normalizer gets."""
    if params is None:
        return True
    found = values(module, params)
    return bool(found) and all(isinstance(each, Items) for each in found)


def _reached_calls(module: Module) -> Iterator[tuple[Module, ast.Call]]:
    """The calls in a module, and in the functions and classes that it calls."""
    visited: set[ast.AST] = {module.tree}
    pending = [(module, call) for call in module.calls]
    while pending and len(visited) < _MOST_FUNCTIONS:
        current, call = pending.pop()
        yield current, call
        handed = [each.value for each in call.keywords if each.arg == "normalizer_fn"]
        for function in (call.func, *handed):
            for value in values(current, function):
                for inside, node in _bodies(value):
                    if node not in visited and inside is not module:
                        visited.add(node)
                        pending += [(inside, each) for each in _calls_in(inside, node)]


def _bodies(value: Value) -> Iterator[tuple[Module, ast.AST]]:
    match value:
        case Routine(module=module, node=node) | Class(module=module, node=node):
            yield module, node
        case Result(of=Class(module=module, node=node)):
            yield module, node
        case Partial(of=inner):
            yield from _bodies(inner)


def _calls_in(module: Module, node: ast.AST) -> Iterable[ast.Call]:
    if isinstance(node, ast.ClassDef):
        return [each for each in ast.walk(node) if isinstance(each, ast.Call)]
    return calls_in(module, node)  # type: ignore[arg-type]


def _leaves_updates(module: Module, call: ast.Call) -> bool:
    """Whether it is BN of both phases that only puts its updates into a collection."""
    normalizer = keyword(call, "normalizer_fn")
    for function in (call.func, normalizer):
        for value in values(module, function) if function is not None else ():
            name = batch_norm_name(value)
            if name not in names.BATCH_NORM_FUNCTIONS:
                continue
            by_contrib = name in names.DECAY_FUNCTIONS
            flag = "is_training" if by_contrib else "training"
            given = _argument(module, call, flag, packed=function is normalizer)
            if not given and by_contrib and _scopes_batch_norm(module):
                given = [None]
            if given in ([], [False], [True]):
                continue  # one phase only, in which no running statistics are used
            if by_contrib and not _collects(module, call):
                continue
            return True
    return False


def _scopes_batch_norm(module: Module) -> bool:
    """Whether an `arg_scope` may give arguments to BN."""
    return any(
        not (call.args and isinstance(call.args[0], ast.List | ast.Tuple))
        or re.search("norm|bn", ast.unparse(call), re.IGNORECASE)
        for call in module.calls_by_name.get("arg_scope", ())
    )


def _collects(module: Module, call: ast.Call) -> bool:
    """Whether contrib's BN surely leaves its updates in the usual collection."""
    given = keyword(call, "updates_collections")
    if given is not None:
        return "UPDATE_OPS" in ast.unparse(given)
    unknown = any(each.arg is None for each in call.keywords)
    return not unknown and _NO_COLLECTION.search(module.text) is None


def _argument(
    module: Module, call: ast.Call, name: str, packed: bool
) -> list[object | None]:
    """The constants that an argument may be, with None for all that is unknown."""
    given = keyword(call, name)
    if packed:
        given = None
        params = keyword(call, "normalizer_params")
        for value in values(module, params) if params is not None else ():
            if isinstance(value, Items):
                given = dict_entries(value).get(name)
    if given is None:
        unpacked = any(each.arg is None for each in call.keywords)
        return [None] if unpacked else []
    found = [each.value for each in values(module, given) if isinstance(each, Literal)]
    return list(found) if isinstance(given, ast.Constant) else [*found, None]


def _runs_updates(module: Module) -> bool:
    if _RUNS_UPDATES.search(module.text):
        return True
    for word in ("get_collection", "get_collection_ref"):
        for call in module.calls_by_name.get(word, ()):
            asked = " ".join(ast.unparse(each) for each in call.args[:1])
            if _FETCH.search(asked) and _is_used(module, call):
                return True
    return False


def _is_used(module: Module, fetched: ast.Call) -> bool:
    """Whether something is done with what was fetched, other than to show it."""
    for outer in module.scopes.ancestors(fetched):
        match outer:
            case ast.Call(func=function) if last_word(function) == "print":
                return False
            case ast.Expr():
                return False
            case ast.Assign(targets=[ast.Name(id=name)]):
                return any(
                    isinstance(node, ast.Name)
                    and node.id == name
                    and isinstance(node.ctx, ast.Load)
                    and not _is_shown(module, node)
                    for node in module.scopes.nodes
                )
            case ast.stmt():
                return True
    return False


def _is_shown(module: Module, node: ast.AST) -> bool:
    parent = module.scopes.parents.get(node)
    return isinstance(parent, ast.Call) and last_word(parent.func) == "print"


def _importers(module: Module) -> Iterator[Module]:
    """The modules that import this very file, or something from it."""
    for other in module.project.naming(module.imported_as):
        imported = {
            binding.dotted
            for bindings in other.scopes.top.bindings.values()
            for binding in bindings
            if binding.kind is Kind.IMPORT
        }
        imported |= {star.rstrip(".") for star in other.scopes.top.stars}
        found = (
            module.project.find(other.path, name)
            for dotted in imported
            for name in (dotted, dotted.rpartition(".")[0])
            if name
        )
        path = module.path.resolve()
        if any(each is not None and each.path.resolve() == path for each in found):
            yield other


def _imports(other: Module, module: Module) -> bool:
    """Whether another module imports this one, by its name."""
    stem = module.imported_as
    for bindings in other.scopes.top.bindings.values():
        for binding in bindings:
            if binding.kind is Kind.IMPORT and stem in binding.dotted.split("."):
                return True
    return any(stem in star.split(".") for star in other.scopes.top.stars)
