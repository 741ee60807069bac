"""The source edits that fixes are made of, small enough to keep all formatting.

Each function returns None where the text does not surely allow its change.
"""

from __future__ import annotations

import ast
import tokenize
from typing import TYPE_CHECKING

from ....findings import Edit, Fix

if TYPE_CHECKING:
    from tokenize import TokenInfo

    from .module import Module

_OPEN, _CLOSE = ("(", "[", "{"), (")", "]", "}")
_INVISIBLE = (tokenize.COMMENT, tokenize.NL)

Place = tuple[int, int]
Change = tuple[Place, Place, str]  # from, until, and what comes in between


def replaced(module: Module, node: ast.expr, text: str, *, safe: bool = True) -> Fix:
    """`text` in place of an expression."""
    return Fix((Edit(module.location(node), text),), safe)


def with_parameter(
    module: Module,
    function: ast.FunctionDef | ast.AsyncFunctionDef,
    text: str,
    *,
    safe: bool = True,
) -> Fix | None:
    """A last parameter, such as `training=None`; it goes before any `**kwargs`."""
    tokens = module.tokens
    start = _index(module, function)
    opening = None if start is None else _first(tokens, start, "(")
    closing = None if opening is None else _partner(tokens, opening)
    if opening is None or closing is None:
        return None
    packed = _packed(tokens, opening, closing)
    if function.args.kwarg is None or packed is None:
        return _fix(module, _appended(tokens, opening, closing, text), safe)
    follows = f"\n{_indentation(tokens[packed])}" if _begins(tokens, packed) else " "
    place = _start(tokens[packed])
    return _fix(module, [(place, place, f"{text},{follows}")], safe)


def with_argument(
    module: Module, call: ast.Call, text: str, *, safe: bool = True
) -> Fix | None:
    """A last argument, such as `training=True`."""
    match call.args:
        case [ast.GeneratorExp()]:
            return None  # It would need brackets of its own.
    tokens = module.tokens
    closing = _closing(module, call)
    opening = None if closing is None else _opening(tokens, closing)
    if opening is None or closing is None:
        return None
    return _fix(module, _appended(tokens, opening, closing, text), safe)


def without_argument(
    module: Module, call: ast.Call, argument: ast.AST, *, safe: bool = True
) -> Fix | None:
    """The call without one of its arguments; a positional one must be the last."""
    if argument in call.args[:-1]:
        return None
    tokens = module.tokens
    first = _index(module, argument)
    closing = _closing(module, call)
    if first is None or closing is None:
        return None
    after = _next_comma(tokens, first, closing)
    inside = tokens[first:after]
    if any(inner.type in _INVISIBLE for inner in inside):
        return None
    return _fix(module, [_removal(tokens, first, after)], safe)


def _removal(tokens: list[TokenInfo], first: int, after: int) -> Change:
    """Remove the tokens from `first` until `after`, and one comma beside them."""
    has_comma = tokens[after].string == ","
    last = after if has_comma else after - 1
    line_ends = tokens[last + 1].type == tokenize.NL
    before = first - 1
    while tokens[before].type == tokenize.NL:
        before -= 1
    follows_comma = tokens[before].string == ","
    if _begins(tokens, first) and line_ends and (has_comma or not follows_comma):
        return (tokens[first].start[0], 1), (tokens[last].end[0] + 1, 1), ""
    if follows_comma:
        return _start(tokens[before]), _end(tokens[after - 1]), ""
    end = _end(tokens[last]) if line_ends else _start(tokens[last + 1])
    return _start(tokens[first]), end, ""


def _appended(
    tokens: list[TokenInfo], opening: int, closing: int, text: str
) -> list[Change]:
    """Add to what is between two brackets, following its layout."""
    inside = range(opening + 1, closing)
    visible = [index for index in inside if tokens[index].type not in _INVISIBLE]
    if not visible:
        return [_insertion(_end(tokens[opening]), text)]
    last = tokens[visible[-1]]
    has_comma = last.string == ","
    if not _begins(tokens, closing):
        return [_insertion(_end(last), f" {text}" if has_comma else f", {text}")]
    begin = _last_element(tokens, opening, visible[-1])
    if not _begins(tokens, begin):  # Several share a line.
        return [_insertion(_end(last), f" {text}," if has_comma else f", {text}")]
    # The bracket has a line of its own, and so does each argument.
    line = f"\n{_indentation(tokens[begin])}{text}{',' if has_comma else ''}"
    written = [index for index in inside if tokens[index].type != tokenize.NL]
    comma = [] if has_comma else [_insertion(_end(last), ",")]
    if comma and tokens[written[-1]] is last:
        return [_insertion(_end(last), f",{line}")]
    return [*comma, _insertion(_end(tokens[written[-1]]), line)]


def _insertion(place: Place, text: str) -> Change:
    return place, place, text


def _fix(module: Module, edits: list[Change], safe: bool) -> Fix:
    return Fix(
        tuple(Edit(module.place(start, end), text) for start, end, text in edits), safe
    )


# Tokens count lines from 1 and columns from 0; places count both from 1.


def _start(token: TokenInfo) -> Place:
    return token.start[0], token.start[1] + 1


def _end(token: TokenInfo) -> Place:
    return token.end[0], token.end[1] + 1


def _index(module: Module, node: ast.AST) -> int | None:
    """The token that a node begins with."""
    place = module.start(node)
    return next(
        (i for i, token in enumerate(module.tokens) if _start(token) == place), None
    )


def _closing(module: Module, call: ast.Call) -> int | None:
    """The bracket that a call ends with."""
    place = module.end(call)
    return next(
        (
            index
            for index, token in enumerate(module.tokens)
            if _end(token) == place and token.string == ")"
        ),
        None,
    )


def _first(tokens: list[TokenInfo], start: int, string: str) -> int | None:
    """The first such token from `start` on that is outside brackets."""
    depth = 0
    for index in range(start, len(tokens)):
        if depth == 0 and tokens[index].string == string:
            return index
        depth += _step(tokens[index])
    return None


def _partner(tokens: list[TokenInfo], opening: int) -> int | None:
    """The bracket that closes the one at `opening`."""
    depth = 0
    for index in range(opening, len(tokens)):
        depth += _step(tokens[index])
        if depth == 0:
            return index
    return None


def _opening(tokens: list[TokenInfo], closing: int) -> int | None:
    """The bracket that the one at `closing` closes."""
    depth = 0
    for index in range(closing, -1, -1):
        depth += _step(tokens[index])
        if depth == 0:
            return index
    return None


def _packed(tokens: list[TokenInfo], opening: int, closing: int) -> int | None:
    """The `**` of a parameter between two brackets."""
    found = _first(tokens[:closing], opening + 1, "**")
    while found is not None:
        before = tokens[found - 1]
        if before.type in _INVISIBLE or before.string in ("(", ","):
            break
        found = _first(tokens[:closing], found + 1, "**")  # That was a power.
    return found


def _next_comma(tokens: list[TokenInfo], start: int, closing: int) -> int:
    """The comma that ends what begins at `start`, or else the closing bracket."""
    found = _first(tokens[:closing], start, ",")
    if found is not None:
        return found
    last = closing
    while tokens[last - 1].type in _INVISIBLE:
        last -= 1
    return last


def _last_element(tokens: list[TokenInfo], opening: int, last: int) -> int:
    """Return where the last bracketed argument begins; `last` may be its comma."""
    begin, depth = opening + 1, 0
    for index in range(opening + 1, last):
        if depth == 0 and tokens[index].string == ",":
            begin = index + 1
        depth += _step(tokens[index])
    while tokens[begin].type in _INVISIBLE:
        begin += 1
    return begin


def _step(token: TokenInfo) -> int:
    if token.type != tokenize.OP:
        return 0
    return (token.string in _OPEN) - (token.string in _CLOSE)


def _begins(tokens: list[TokenInfo], index: int) -> bool:
    """Whether the token is the first of its line."""
    return tokens[index - 1].end[0] < tokens[index].start[0] or (
        tokens[index - 1].type == tokenize.NL
    )


def _indentation(token: TokenInfo) -> str:
    """The white space that the token's line begins with."""
    return token.line[: len(token.line) - len(token.line.lstrip())]
