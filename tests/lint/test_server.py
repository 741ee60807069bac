"""The language server, driven by a real client over its standard streams."""

from __future__ import annotations

import asyncio
import sys
from contextlib import asynccontextmanager

from lsprotocol import types
from pygls.lsp.client import LanguageClient

from .conftest import BAD_SOURCE, GOOD_SOURCE

TIMEOUT = 60


class Client(LanguageClient):
    """A client that keeps what it is sent."""

    def __init__(self):
        super().__init__("tests", "1")
        self.diagnostics = {}
        self.messages = []
        self.registered = []
        self.news = asyncio.Event()

        @self.feature(types.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)
        def published(params):
            self.diagnostics.setdefault(params.uri, []).append(params)
            self.news.set()

        @self.feature(types.WINDOW_SHOW_MESSAGE)
        def shown(params):
            self.messages.append(params)
            self.news.set()

        @self.feature(types.CLIENT_REGISTER_CAPABILITY)
        def register(params):
            self.registered += params.registrations
            self.news.set()

    async def until(self, condition):
        async with asyncio.timeout(TIMEOUT):
            while not condition():
                self.news.clear()
                await self.news.wait()

    async def codes(self, uri, count=1):
        """The codes of the `count`-th diagnostics that were published for a text."""
        await self.until(lambda: len(self.diagnostics.get(uri, ())) >= count)
        return [
            finding.code for finding in self.diagnostics[uri][count - 1].diagnostics
        ]

    def open(self, uri, text, version=1):
        item = types.TextDocumentItem(uri, "python", version, text)
        self.text_document_did_open(types.DidOpenTextDocumentParams(item))

    def change(self, uri, text, version):
        changed = types.VersionedTextDocumentIdentifier(version=version, uri=uri)
        whole = types.TextDocumentContentChangeWholeDocument(text=text)
        self.text_document_did_change(
            types.DidChangeTextDocumentParams(changed, [whole])
        )

    async def actions(self, uri, only=None):
        place = types.Range(types.Position(0, 0), types.Position(99, 0))
        return await self.text_document_code_action_async(
            types.CodeActionParams(
                types.TextDocumentIdentifier(uri),
                place,
                types.CodeActionContext([], only=only),
            )
        )


@asynccontextmanager
async def running(folder):
    client = Client()
    start = "from lint.server.app import make_server; make_server().start_io()"
    await client.start_io(sys.executable, "-c", start)
    watching = types.DidChangeWatchedFilesClientCapabilities(dynamic_registration=True)
    capabilities = types.ClientCapabilities(
        workspace=types.WorkspaceClientCapabilities(did_change_watched_files=watching)
    )
    async with asyncio.timeout(TIMEOUT):
        await client.initialize_async(
            types.InitializeParams(
                capabilities, process_id=None, root_uri=folder.as_uri()
            )
        )
    client.initialized(types.InitializedParams())
    try:
        yield client
    finally:
        async with asyncio.timeout(TIMEOUT):
            await client.shutdown_async(None)
        client.exit(None)
        await client.stop()


def session(folder, use):
    async def whole():
        async with running(folder) as client:
            await use(client)

    asyncio.run(whole())


def applied(text, edits):
    lines = text.splitlines(keepends=True)
    for edit in sorted(edits, key=lambda edit: edit.range.start, reverse=True):
        start, end = edit.range.start, edit.range.end
        assert start.line == end.line
        line = lines[start.line].encode("utf-16-le")
        line = (
            line[: 2 * start.character]
            + edit.new_text.encode("utf-16-le")
            + line[2 * end.character :]
        )
        lines[start.line] = line.decode("utf-16-le")
    return "".join(lines)


def test_a_file_is_linted_while_it_is_typed(folder):
    uri = (folder / "a.py").as_uri()

    async def use(client):
        client.open(uri, BAD_SOURCE)
        assert await client.codes(uri) == ["BN201"]
        (shown,) = client.diagnostics[uri][0].diagnostics
        assert shown.severity is types.DiagnosticSeverity.Error
        assert shown.source == "model-lint"
        assert shown.code_description.href.endswith("bn201/")
        begin = BAD_SOURCE.splitlines()[2].index("momentum")
        assert (shown.range.start.line, shown.range.start.character) == (2, begin)

        # Many keystrokes are one check, of the last text.
        for version in range(2, 12):
            client.change(uri, GOOD_SOURCE + f"# {version}\n", version)
        assert await client.codes(uri, 2) == []
        assert client.diagnostics[uri][1].version == 11

        client.change(uri, "x = (", 12)
        assert await client.codes(uri, 3) == ["BN001"]

        identifier = types.TextDocumentIdentifier(uri)
        client.text_document_did_close(types.DidCloseTextDocumentParams(identifier))
        assert await client.codes(uri, 4) == []

    session(folder, use)


def test_hover_fixes_and_comments(folder):
    uri = (folder / "a.py").as_uri()
    text = BAD_SOURCE.replace("bn =", "\U0001f600\U0001f600 = 1; bn =").replace(
        "\U0001f600\U0001f600", "名 = '\U0001f600\U0001f600'; x"
    )

    async def use(client):
        client.open(uri, text)
        assert await client.codes(uri) == ["BN201"]
        (shown,) = client.diagnostics[uri][0].diagnostics
        identifier = types.TextDocumentIdentifier(uri)
        page = await client.text_document_hover_async(
            types.HoverParams(identifier, shown.range.start)
        )
        assert page.contents.value.startswith("# BN201 momentum-too-small\n")
        elsewhere = types.HoverParams(identifier, types.Position(0, 0))
        assert await client.text_document_hover_async(elsewhere) is None

        fix, disable, all_fixes = await client.actions(uri)
        assert fix.is_preferred
        fixed = applied(text, fix.edit.changes[uri])
        assert fixed == text.replace("momentum=0.1", "momentum=0.9")
        assert applied(text, all_fixes.edit.changes[uri]) == fixed
        silenced = applied(text, disable.edit.changes[uri])
        assert silenced == text.rstrip() + "  # noqa: BN201\n"
        (only,) = await client.actions(uri, only=["source.fixAll"])
        assert only.kind == "source.fixAll"
        client.change(uri, silenced, 2)
        assert await client.codes(uri, 2) == []
        assert not await client.actions(uri)

    session(folder, use)


def test_settings_are_followed_when_they_change(folder):
    (folder / "src").mkdir()
    uri = (folder / "src/a.py").as_uri()
    settings = folder / "pyproject.toml"

    async def use(client):
        await client.until(lambda: client.registered)
        assert client.registered[0].method == types.WORKSPACE_DID_CHANGE_WATCHED_FILES
        client.open(uri, BAD_SOURCE)
        assert await client.codes(uri) == ["BN201"]
        settings.write_text("[tool.model-lint]\nper-file-ignores = {'src/*'=['BN2']}\n")
        change = types.FileEvent(settings.as_uri(), types.FileChangeType.Created)
        event = types.DidChangeWatchedFilesParams([change])
        client.workspace_did_change_watched_files(event)
        assert await client.codes(uri, 2) == []
        settings.write_text("[tool.model-lint]\nselct = []\n")
        client.workspace_did_change_watched_files(event)
        await client.until(lambda: client.messages)
        assert "Did you mean 'select'?" in client.messages[0].message

    session(folder, use)


def test_cells_of_a_notebook(folder):
    uri = (folder / "book.ipynb").as_uri()
    texts = ["# Title", "import keras\n", "x = 1\n" + BAD_SOURCE.splitlines()[2]]
    kinds = [types.NotebookCellKind.Markup, *[types.NotebookCellKind.Code] * 2]
    names = [f"{uri}#{number}" for number in range(3)]

    async def use(client):
        cells = [types.NotebookCell(*pair) for pair in zip(kinds, names, strict=True)]
        items = [
            types.TextDocumentItem(name, "python", 1, text)
            for name, text in zip(names, texts, strict=True)
        ]
        book = types.NotebookDocument(uri, "jupyter-notebook", 1, cells)
        client.notebook_document_did_open(
            types.DidOpenNotebookDocumentParams(book, items[1:])
        )
        assert await client.codes(names[2]) == ["BN201"]
        assert await client.codes(names[1]) == []
        (shown,) = client.diagnostics[names[2]][0].diagnostics
        assert shown.range.start.line == 1
        fix, *_ = await client.actions(names[2])
        fixed = applied(texts[2], fix.edit.changes[names[2]])
        assert fixed == texts[2].replace("0.1", "0.9")

    session(folder, use)


def test_an_unsaved_text_and_another_language(folder):
    async def use(client):
        client.open("untitled:Untitled-1", BAD_SOURCE)
        assert await client.codes("untitled:Untitled-1") == ["BN201"]
        item = types.TextDocumentItem("file:///x.md", "markdown", 1, "momentum=0.1")
        client.text_document_did_open(types.DidOpenTextDocumentParams(item))
        client.change("untitled:Untitled-1", GOOD_SOURCE, 2)
        assert await client.codes("untitled:Untitled-1", 2) == []
        assert list(client.diagnostics) == ["untitled:Untitled-1"]

    session(folder, use)
