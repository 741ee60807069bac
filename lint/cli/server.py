"""The command `server`."""

from __future__ import annotations

from importlib.util import find_spec

import click

from ..errors import UsageError


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
def server() -> None:
    """Run the language server for editors, over the standard streams.

    It needs the extra `server`: pip install 'kerasbn[server]'. Editors start it; in a
    terminal it just waits for messages until its input ends.
    """
    if find_spec("pygls") is None:
        raise UsageError(
            "The language server needs pygls, which is not installed. Received: "
            "model-lint server. Install it with pip install 'kerasbn[server]'."
        )
    from ..server.app import make_server

    make_server().start_io()
