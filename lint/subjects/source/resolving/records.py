"""Fields of objects that only hold settings: dataclasses, named tuples, namespaces.

And of any class that sets them in its body.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ..reading.bindings import Kind
from ..reading.limits import FLAGS_HANDED
from ..reading.memo import remembered_of_class
from ..reading.nodes import Function, last_word, start
from ..reading.values import (
    Class,
    Items,
    Known,
    Result,
    Self,
    Whole,
    dict_entries,
    is_self,
)
from .classes import keyword
from .entries import set_on
from .instances import attribute_given, constructions, given_by
from .lineage import lineage, method_of, project_lineage
from .members import is_set_from_outside
from .passed import by_name, passed_for
from .resolve import values
from .runs import Run
from .spread import attribute_outcomes, is_spread

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.bindings import Binding
    from ..reading.module import Module
    from ..reading.values import Value
    from .passed import Given

_DECORATORS = ("dataclass", "define", "frozen", "attrs", "attrib", "s")
_BASES = ("NamedTuple", "BaseModel", "BaseSettings", "Struct")
NAMESPACES = ("types.SimpleNamespace", "argparse.Namespace")
_OF_DICTS = ("ConfigDict", "FrozenConfigDict", "EasyDict", "AttrDict", "Munch")
_OF_OMEGACONF = "omegaconf.OmegaConf.create"
_AS_DICT = ("asdict", "vars")
_AS_DICT_OF_ITSELF = ("_asdict", "model_dump", "dict", "to_dict")


def record_of(settings: ast.expr) -> ast.expr | None:
    """The object whose fields a dict has: `config` of `asdict(config)`."""
    match settings:
        case ast.Call(args=[record], keywords=[]) if (
            last_word(settings.func) in _AS_DICT
        ):
            return record
        case ast.Call(func=ast.Attribute(value=record, attr=word), args=[]) if (
            word in _AS_DICT_OF_ITSELF
        ):
            return record
        case ast.Attribute(value=record, attr="__dict__"):
            return record
    return None


def fields_of(
    module: Module, field: ast.Attribute, run: Run | None, depth: int = 0
) -> list[Given] | None:
    """What `config.use_bn` may have been made with; None if no such object is known."""
    known = False
    found: list[Given] = []
    for holder in _holders(module, field.value, run, depth):
        if isinstance(holder, Result) and _is_record(holder):
            known = True
            found += _field_of(holder, field.attr)
            changed = is_set_from_outside(holder.module, field.attr)
            found += [None] if changed else []
        elif isinstance(holder, Items) and field.attr in dict_entries(holder):
            known = True  # it is held by an object that is made of a dict
            found.append((holder.module, dict_entries(holder)[field.attr], None))
        elif spread := _spread_on(holder, field.attr, run):
            known = True
            found += spread
        elif in_class := _in_class(module, holder, field.attr):
            known = True
            found += in_class
        else:
            found.append(None)
    return found if known else None


def field_given(holder: Result, name: str) -> Iterator[tuple[Module, ast.expr]]:
    """Yield what a field of such an object was made with, if nothing else may be."""
    if not _is_record(holder) or is_set_from_outside(holder.module, name):
        return
    for given in _field_of(holder, name):
        if given is not None:
            yield given[:2]


@remembered_of_class
def fields_made(cls: Class, name: str) -> tuple[tuple[Module, ast.expr], ...]:
    """What `self.name` is given where such objects are made, if it is a field."""
    if method_of(cls, "__init__") or not _is_of_fields(cls) or name not in _fields(cls):
        return ()
    made = (Result(cls, *one) for one in constructions(cls))
    return tuple(given for one in made for given in field_given(one, name))


def is_known(module: Module, holder: ast.expr, run: Run | None) -> bool:
    """Whether it is known what attributes an object has: one of a class in sight."""
    return all(
        isinstance(one, Class | Self | Whole)
        or (isinstance(one, Result) and isinstance(one.maker, Class))
        for one in _holders(module, holder, run, 0)
    )


def _holders(
    module: Module, expression: ast.expr, run: Run | None, depth: int
) -> Iterator[Value | None]:
    """The objects that an expression may be; None for one that is not known."""
    found: list[Given] = []
    match expression:
        case ast.Name() if looked_up := module.scopes.lookup(expression):
            for binding in looked_up[1]:
                if binding.kind is Kind.PARAMETER and not _is_instance(module, binding):
                    assert isinstance(binding.place, Function)
                    found += passed_for(module, binding.place, expression.id, run)
        case ast.Attribute(value=base, attr=name):
            found += [
                (*one, run)
                for owner in values(module, base)
                if isinstance(owner, Self)
                for one in attribute_given(owner.cls, name)
            ]
            if not found and depth < FLAGS_HANDED:
                found += fields_of(module, expression, run, depth + 1) or []
    if not found or depth > FLAGS_HANDED:
        yield from values(module, expression) or (None,)
    for given in found if depth <= FLAGS_HANDED else ():
        if given is None:
            yield None
        else:
            yield from _holders(*given, depth + 1)


def _is_instance(module: Module, binding: Binding) -> bool:
    """Whether it is the parameter of a method that stands for its instance."""
    function, argument = binding.place, binding.node
    assert isinstance(function, Function)
    assert isinstance(argument, ast.arg)
    return module.owner_of(function) is not None and is_self(function, argument)


def _is_record(value: Value | None) -> bool:
    """Whether its attributes are what it was made with."""
    match value:
        case Result(maker=Known(name)):
            own = (*NAMESPACES, _OF_OMEGACONF)
            return name in own or name.rpartition(".")[2] in _OF_DICTS
        case Result(maker=Class() as cls):
            return method_of(cls, "__init__") is None and _is_of_fields(cls)
    return False


def _in_class(module: Module, holder: Value | None, name: str) -> list[Given]:
    """What a class sets an attribute to in its body; None beside it if it may change.

    The configurations of networks are often written so, with a subclass for each.
    """
    match holder:
        case Class() as cls:
            near = [module, cls.module]
        case Result(maker=Class() as cls, module=made_in):
            near = [module, cls.module, made_in]
        case _:
            return []
    given = given_by(cls, name)
    if len(given) != 1:
        return [None] if given else []
    changed = any(is_set_from_outside(where, name) for where in near)
    return [(*given[0], None), *([None] if changed else [])]


def _spread_on(holder: Value | None, name: str, run: Run | None) -> list[Given]:
    """What an attribute is of an object that gives itself its settings from a mapping.

    Nothing if that is not known.
    """
    match holder:
        case Self(cls):
            given = attribute_given(cls, name)
        case Result(maker=Class() as cls):
            given, run = tuple(given_by(cls, name)), _run_by(cls, holder)
            if any(
                is_set_from_outside(where, name, False)
                for where in (holder.module, cls.module)
            ):
                return []
        case _:
            return []
    found = attribute_outcomes(cls, name, given, run) if is_spread(cls) else []
    return found if any(found) else []


def _run_by(cls: Class, made: Result) -> Run | None:
    """The call by which an object was made, if that runs a constructor in sight."""
    constructor = method_of(cls, "__init__")
    if constructor is None:
        return None
    return Run(constructor.node, made.module, made.call, 1)


def _field_of(record: Result, name: str) -> Iterator[Given]:
    """What a field was made with, or its default; None if that is not known."""
    module, call = record.module, record.call
    if isinstance(record.maker, Class):
        fields = _fields(record.maker)
        place = list(fields).index(name) if name in fields else len(call.args)
        if place < len(call.args) and not isinstance(call.args[place], ast.Starred):
            yield module, call.args[place], None
        else:
            yield from by_name(module, call, name, None, fields.get(name))
    elif record.maker.name in NAMESPACES:
        yield from by_name(module, call, name, None, None)
        yield from _set_where_made(record, name)
    else:
        if keyword(call, name) is not None:
            yield from by_name(module, call, name, None, None)
        yield from _set_where_made(record, name)
        for given in values(module, call.args[0]) if call.args else ():
            if isinstance(given, Items) and name in dict_entries(given):
                yield given.module, dict_entries(given)[name], None
            else:
                yield None


def _set_where_made(record: Result, name: str) -> Iterator[Given]:
    """What a field is last set to by the name that the object is given."""
    match record.module.scopes.parents.get(record.call):
        case ast.Assign(targets=[ast.Name() | ast.Attribute() as made]):
            found = sorted(set_on(record.module, made, name), key=start)
            yield from ((record.module, value, None) for value in found[-1:])


def _is_of_fields(cls: Class) -> bool:
    decorators = (
        last_word(getattr(decorator, "func", decorator))
        for decorator in cls.node.decorator_list
    )
    return any(decorator in _DECORATORS for decorator in decorators) or any(
        isinstance(base, Known) and base.name.rpartition(".")[2] in _BASES
        for base in lineage(cls)
    )


def _fields(cls: Class) -> dict[str, Given]:
    """The fields in the order of the arguments, each with its default."""
    fields: dict[str, Given] = {}
    for ancestor in reversed(project_lineage(cls)):
        for statement in ancestor.node.body:
            match statement:
                case ast.AnnAssign(target=ast.Name(id=name), value=value):
                    default = None if value is None else _default(value)
                    fields[name] = None
                    if default is not None:
                        fields[name] = ancestor.module, default, None
    return fields


def _default(written: ast.expr) -> ast.expr | None:
    """The default of a field: as written, in `field(default=...)` or by a factory."""
    match written:
        case ast.Call() if last_word(written.func) in ("field", "Field", "ib"):
            first = written.args[0] if written.args else None
            made = keyword(written, "default_factory") or keyword(written, "factory")
            if isinstance(made, ast.Lambda):
                made = made.body
            elif made is not None:
                made = ast.copy_location(ast.Call(made, [], []), written)
            return keyword(written, "default") or first or made
    return written
