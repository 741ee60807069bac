"""The language server and its reactions to messages of the editor."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from lsprotocol import types
from pygls.lsp.server import LanguageServer

from ..adding import noqa_edits
from ..config import config_for
from ..errors import UsageError
from ..linter import Linter
from ..rules import rule_by_code
from ..rules.documentation import markdown
from ..run import run_text
from ..subjects import UnreadError
from .actions import FIX_ALL, Shown, actions_for, fix_all
from .diagnostics import diagnostic
from .documents import all_open, snapshot, whole_of
from .scheduling import Schedule

if TYPE_CHECKING:
    from ..config import Config
    from ..findings import Edit, Finding
    from .documents import Snapshot

_SETTINGS = "**/pyproject.toml"
_NOTEBOOKS = types.NotebookDocumentSyncOptions(
    notebook_selector=[
        types.NotebookDocumentFilterWithCells(
            cells=[types.NotebookCellLanguage(language="python")]
        )
    ],
    save=True,
)


class Server(LanguageServer):
    """A server with the findings that it has shown last."""

    def __init__(self) -> None:
        super().__init__(
            "model-lint", version("kerasbn"), notebook_document_sync=_NOTEBOOKS
        )
        self.schedule = Schedule(self.check)
        self._shown: dict[str, tuple[Snapshot, list[Shown]]] = {}
        self._problem: str | None = None

    async def check(self, uri: str) -> None:
        """Lint a file or notebook in its current state, and show the findings."""
        now = snapshot(self.workspace, uri)
        if now is None or not now.parts:
            return
        try:
            found = await asyncio.to_thread(_check, now)
        except UsageError as error:
            self._complain(str(error))
            return
        self._problem = None
        codec = self.workspace.position_codec
        shown = []
        for finding, silencing in found:
            part = now.part_at(finding.location)
            shown.append(
                Shown(finding, diagnostic(finding, part, codec), part, silencing)
            )
        self._shown[uri] = now, shown
        for part in now.parts:
            self._publish(
                part.uri,
                [entry.diagnostic for entry in shown if entry.part.uri == part.uri],
                part.version,
            )

    def shown_in(self, text_uri: str) -> tuple[Snapshot, list[Shown]] | None:
        """Return the findings shown in a text, if it is unchanged since."""
        whole = whole_of(self.workspace, text_uri)
        found = self._shown.get(whole)
        if found is None or snapshot(self.workspace, whole) != found[0]:
            return None
        now, shown = found
        return now, [entry for entry in shown if entry.part.uri == text_uri]

    def check_all(self) -> None:
        """Lint everything that is open."""
        for uri in list(all_open(self.workspace)):
            self.schedule.request(uri)

    def close(self, uri: str, texts: list[str]) -> None:
        """Remove the findings shown in a document that was closed."""
        self.schedule.cancel(uri)
        self._shown.pop(uri, None)
        for text in texts:
            self._publish(text, [], None)

    def _publish(
        self, uri: str, found: list[types.Diagnostic], version: int | None
    ) -> None:
        params = types.PublishDiagnosticsParams(
            uri=uri, diagnostics=found, version=version
        )
        self.text_document_publish_diagnostics(params)

    def _complain(self, problem: str) -> None:
        """Show what is wrong with the settings, once until it changes."""
        if problem != self._problem:
            self._problem = problem
            message = types.ShowMessageParams(types.MessageType.Error, problem)
            self.window_show_message(message)


def _check(now: Snapshot) -> list[tuple[Finding, tuple[Edit, ...]]]:
    """Return the findings, each with the edits that would silence it."""
    config = config_for([now.path.parent])
    report = run_text(now.path, now.data, config)
    return [(finding, _silencing(now, finding, config)) for finding in report.findings]


def _silencing(now: Snapshot, finding: Finding, config: Config) -> tuple[Edit, ...]:
    with suppress(UnreadError):
        module = Linter(config).read_source(now.path, now.data)
        return tuple(noqa_edits(module, [finding]))
    return ()


def make_server() -> Server:
    """Make a server that is ready to start."""
    server = Server()

    @server.feature(types.INITIALIZED)
    async def initialized(params: types.InitializedParams) -> None:
        workspace = server.client_capabilities.workspace
        watching = workspace and workspace.did_change_watched_files
        if watching and watching.dynamic_registration:
            watchers = [types.FileSystemWatcher(glob_pattern=_SETTINGS)]
            options = types.DidChangeWatchedFilesRegistrationOptions(watchers)
            method = types.WORKSPACE_DID_CHANGE_WATCHED_FILES
            registration = types.Registration("settings", method, options)
            await server.client_register_capability_async(
                types.RegistrationParams([registration])
            )

    @server.feature(types.TEXT_DOCUMENT_DID_OPEN)
    async def opened(params: types.DidOpenTextDocumentParams) -> None:
        server.schedule.request(params.text_document.uri, delay=0)

    @server.feature(types.TEXT_DOCUMENT_DID_CHANGE)
    async def changed(params: types.DidChangeTextDocumentParams) -> None:
        server.schedule.request(params.text_document.uri)

    @server.feature(types.TEXT_DOCUMENT_DID_SAVE)
    async def saved(params: types.DidSaveTextDocumentParams) -> None:
        server.schedule.request(params.text_document.uri, delay=0)

    @server.feature(types.TEXT_DOCUMENT_DID_CLOSE)
    async def closed(params: types.DidCloseTextDocumentParams) -> None:
        uri = params.text_document.uri
        server.close(uri, [uri])

    @server.feature(types.NOTEBOOK_DOCUMENT_DID_OPEN)
    async def notebook_opened(params: types.DidOpenNotebookDocumentParams) -> None:
        server.schedule.request(params.notebook_document.uri, delay=0)

    @server.feature(types.NOTEBOOK_DOCUMENT_DID_CHANGE)
    async def notebook_changed(params: types.DidChangeNotebookDocumentParams) -> None:
        server.schedule.request(params.notebook_document.uri)

    @server.feature(types.NOTEBOOK_DOCUMENT_DID_SAVE)
    async def notebook_saved(params: types.DidSaveNotebookDocumentParams) -> None:
        server.schedule.request(params.notebook_document.uri, delay=0)

    @server.feature(types.NOTEBOOK_DOCUMENT_DID_CLOSE)
    async def notebook_closed(params: types.DidCloseNotebookDocumentParams) -> None:
        cells = [cell.uri for cell in params.cell_text_documents]
        server.close(params.notebook_document.uri, cells)

    @server.feature(types.WORKSPACE_DID_CHANGE_CONFIGURATION)
    @server.feature(types.WORKSPACE_DID_CHANGE_WATCHED_FILES)
    async def settings_changed(params: Any) -> None:
        server.check_all()

    @server.feature(types.TEXT_DOCUMENT_HOVER)
    def hover(params: types.HoverParams) -> types.Hover | None:
        found = server.shown_in(params.text_document.uri)
        for entry in found[1] if found else ():
            here = entry.diagnostic.range
            if _key(here.start) <= _key(params.position) <= _key(here.end):
                rule = rule_by_code(entry.finding.code)
                page = f"# {rule.code} {rule.name}\n\n{markdown(rule)}"
                content = types.MarkupContent(types.MarkupKind.Markdown, page)
                return types.Hover(content, here)
        return None

    kinds = [types.CodeActionKind.QuickFix, FIX_ALL]

    @server.feature(
        types.TEXT_DOCUMENT_CODE_ACTION,
        types.CodeActionOptions(code_action_kinds=kinds),
    )
    def code_actions(params: types.CodeActionParams) -> list[types.CodeAction]:
        found = server.shown_in(params.text_document.uri)
        if found is None:
            return []
        now, shown = found
        codec = server.workspace.position_codec
        actions = [
            *actions_for(shown, params.range, now, codec),
            *fix_all(shown, now, codec),
        ]
        wanted = params.context.only
        return [
            action for action in actions if wanted is None or _is_of(action, wanted)
        ]

    return server


def _key(position: types.Position) -> tuple[int, int]:
    return position.line, position.character


def _is_of(action: types.CodeAction, wanted: Any) -> bool:
    """Whether an action is of a requested kind, or of a kind below one."""
    kind = str(getattr(action.kind, "value", action.kind))
    names = [str(getattr(pattern, "value", pattern)) for pattern in wanted]
    return any(kind == name or kind.startswith(f"{name}.") for name in names)
