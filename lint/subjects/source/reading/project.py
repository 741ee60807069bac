"""Reading modules, and finding on disk what they import from the same project."""

from __future__ import annotations

import ast
import codecs
import io
import tokenize
import warnings
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING

from ...notebook import read_cells
from ...unread import Unread
from .limits import MODULES, NOTEBOOK_BYTES, SOURCE_BYTES
from .module import Module
from .module_files import ModuleFiles
from .options import options_of
from .project_texts import ProjectTexts
from .project_versions import are_for_keras_2
from .reach import Reach
from .regular_files import read_regular
from .requirements import Requirements, read_requirements
from .text import CellPlace
from .trail import Trail

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

# Encodings of short names, whose decoders take time with the square of the length.
_NAMES_OF_HOSTS = ("punycode", "idna")


class UnreadableSource(Exception):  # noqa: N818 - it says what it is
    """A file that is not readable as Python, with the place if there is one."""

    def __init__(
        self,
        message: str,
        line: int | None = None,
        column: int | None = None,
        cell: int | None = None,
    ):
        super().__init__(message)
        self.message = message
        self.line = line
        self.column = column
        self.cell = cell


class Project:
    """A folder of sources that import each other.

    Modules are looked up below `root` only, read once, and never run.

    Args:
        root: the folder.
        is_linted: whether a file, given by its resolved path, is linted as well.
    """

    def __init__(self, root: Path, is_linted: Callable[[Path], bool] = lambda _: True):
        self.root = root.resolve()
        self.is_linted = is_linted
        self.files = ModuleFiles(self.root)
        self.texts = ProjectTexts(self.root)
        self.reach = Reach(self.files, self.texts)
        self.trail = Trail()
        self._modules: dict[Path, Module | None] = {}
        self._loaded: dict[Path, Module | None] = {}  # by any of their paths
        self._found: dict[tuple[Path, str], Module | None] = {}

    @cached_property
    def requirements(self) -> Requirements:
        """Return which Keras the project itself asks for."""
        return read_requirements(self.root)

    @cached_property
    def is_for_keras_2(self) -> bool:
        """Whether what some file uses rules Keras 3 out for the project."""
        return are_for_keras_2(self.texts.by_path.values())

    @cached_property
    def options(self) -> dict[str, object]:
        """The defaults of options that speak of normalization."""
        return options_of(self.root, self.texts.by_path.values())

    def load(self, path: Path) -> Module | None:
        """The module of that file, as those see it that import it."""
        if path not in self._loaded:
            self._loaded[path] = self._load(path.resolve())
        return self._loaded[path]

    def naming(self, *names: str, calling: str = "") -> Iterator[Module]:
        """The project's files that import one of the names, or name such a class.

        Those that do not call something named `calling` are left out, unread.
        """
        for path in self.texts.naming(names, calling):
            if calling and not self.texts.calls(path, calling):
                continue
            module = self.load(path)
            if module is not None:
                yield module

    def close(self) -> None:
        """Forget all modules, and with them the answers that lead back to them."""
        for module in self._modules.values():
            if module is not None:
                module.answers.clear()
        self._modules.clear()
        self._loaded.clear()
        self._found.clear()

    def find(self, importer: Path, dotted: str) -> Module | None:
        """The module that `dotted` names when `importer` imports it."""
        key = (importer.parent, dotted)
        if key not in self._found:
            self._found[key] = self._find(*key)
        return self._found[key]

    def _find(self, folder: Path, dotted: str) -> Module | None:
        for path in self.files.named(folder, dotted):
            is_file = path.suffix == ".py" and not path.is_dir()
            found = self.load(path) if is_file else self._namespace(path)
            if found is not None:
                return found
        return None

    def _namespace(self, folder: Path) -> Module:
        """A package without a file of its own."""
        return Module(folder / "__init__.py", "", ast.parse(""), self)

    def _load(self, path: Path) -> Module | None:
        if path not in self._modules:
            self._modules[path] = None
            if self.files.owns(path) and len(self._modules) <= MODULES:
                with suppress(UnreadableSource, OSError):
                    self._modules[path] = read_module(path, self)
        return self._modules[path]


def read_module(
    path: Path, project: Project, *, keras_version: str | None = None
) -> Module:
    """Read one Python file or notebook.

    Raises:
        UnreadableSource: if it is not Python 3, or not readable at all.
        OSError: if the file cannot be opened, or is none.
    """
    limit = NOTEBOOK_BYTES if path.suffix == ".ipynb" else SOURCE_BYTES
    size = path.stat().st_size
    if size > limit:
        raise UnreadableSource(f"too large to read as source: {size} bytes")
    return module_from_bytes(read_regular(path), path, project, keras_version)


def module_from_bytes(
    data: bytes, path: Path, project: Project, keras_version: str | None = None
) -> Module:
    """The module that a file of that content would be."""
    if path.suffix == ".ipynb":
        return _read_notebook(data, path, project, keras_version)
    text = _decode(data)
    tree = _parse(text)
    return Module(path, text, tree, project, keras_version=keras_version)


def _decode(data: bytes) -> str:
    if b"\0" in data:
        raise UnreadableSource("not a text: it holds NUL bytes")
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
        if codecs.lookup(encoding).name in _NAMES_OF_HOSTS:
            raise UnreadableSource(f"cannot be decoded: {encoding} is for host names")
        text = data.decode(encoding)
    except (SyntaxError, UnicodeError, LookupError) as error:
        raise UnreadableSource(f"cannot be decoded: {error}") from None
    return text.removeprefix("\ufeff")


def _parse(text: str) -> ast.Module:
    if len(text) > SOURCE_BYTES:
        raise UnreadableSource(f"too large to read as source: {len(text)} characters")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # bad escapes are not this linter's concern
            # Notebooks may use `await` at the top level.
            allowed = ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
            return compile(text, "<source>", "exec", allowed, dont_inherit=True)
    except SyntaxError as error:
        raise UnreadableSource(
            _explain(error), error.lineno, error.offset or None
        ) from None
    except (RecursionError, MemoryError):
        raise UnreadableSource("nested too deeply to be read") from None
    except ValueError as error:
        raise UnreadableSource(f"not Python source: {error}") from None


def _explain(error: SyntaxError) -> str:
    message = error.msg or "invalid syntax"
    python_2 = ("Missing parentheses in call to", "multiple exception types must")
    if message.startswith(python_2) or "leading zeros" in message:
        return f"Python 2 source is not read: {message}"
    return f"not valid Python: {message}"


def _read_notebook(
    data: bytes, path: Path, project: Project, keras_version: str | None
) -> Module:
    try:
        cells = read_cells(data)
    except ValueError as error:
        raise UnreadableSource(f"not a notebook: {error}") from None
    places: list[CellPlace] = []
    unread: list[Unread] = []
    code: list[str] = []
    line = 1
    for number, cell in enumerate(cells, 1):
        lines = cell.text.count("\n")
        code.append(cell.text)
        try:
            _parse(cell.text)
        except UnreadableSource as error:
            where = (error.line or 1, error.column, number)
            unread.append(Unread(str(path), f"{error.message} (in this cell)", *where))
            code[-1] = "\n" * lines
        places.append(CellPlace(line, cell.indent))
        line += lines
    text = "".join(code)
    if unread and not text.strip():
        first = unread[0]
        raise UnreadableSource(first.reason, first.line, first.column, first.cell)
    return Module(
        path,
        "".join(cell.text for cell in cells),
        _parse(text),
        project,
        keras_version=keras_version,
        cells=tuple(places),
        unread=tuple(unread),
        parsed=text,
    )
