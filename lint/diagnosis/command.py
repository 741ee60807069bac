"""The command `model-lint diagnose`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..pictures import check_picture

if TYPE_CHECKING:
    from collections.abc import Sequence

FOUND = 1


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("model")
@click.option(
    "--data",
    "data",
    required=True,
    metavar="FILE.npz",
    type=click.Path(path_type=Path),
    help="Arrays x and, for losses, y (and sample_weight), as numpy.savez writes them; "
    "or arrays named after the model's inputs and outputs. Training data are best.",
)
@click.option(
    "--import",
    "modules",
    metavar="MODULE",
    multiple=True,
    help="Import this module first, because it defines classes of the model. Can be "
    "given more than once. No other code is run.",
)
@click.option(
    "--batch-size",
    type=click.IntRange(1),
    default=32,
    show_default=True,
    help="Samples in a batch.",
)
@click.option(
    "--steps",
    type=click.IntRange(1),
    default=32,
    show_default=True,
    help="The largest number of batches to use, chosen at random.",
)
@click.option(
    "--picture",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Draw modes and layers, for example to diagnosis.png.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the diagnosis as JSON.")
def diagnose(
    model: str,
    data: Path,
    modules: Sequence[str],
    batch_size: int,
    steps: int,
    picture: Path | None,
    as_json: bool,
) -> int:
    """Find out why a trained model does worse in inference than in training.

    MODEL is a .keras or whole-model .h5 file, or package.module:name for a model or a
    function that returns one, which imports the module and so runs its code. The model
    is run on the data; the file is not changed.

    Exit status: 0 healthy, 1 a cause was found, 2 unusable model, data or arguments.
    """
    if picture is not None:
        check_picture(picture, "--picture")
    from . import diagnose as diagnose_model
    from .loading import load_model
    from .npz import read_npz

    live = load_model(model, modules)
    x, y, weight = read_npz(data, *_names(live))
    found = diagnose_model(live, x, y, weight, batch_size=batch_size, steps=steps)
    if as_json:
        click.echo(json.dumps(found.to_json(), indent=2, allow_nan=False))
    else:
        from rich.console import Console

        from .text import print_report

        print_report(found, Console(highlight=False))
    if picture is not None:
        found.save_picture(picture)
    return 0 if found.healthy else FOUND


def _names(model: Any) -> tuple[list[str], list[str]]:
    """Return the names of inputs and outputs; none where the model has no graph."""
    inputs = [tensor.name for tensor in getattr(model, "inputs", None) or []]
    return inputs, list(getattr(model, "output_names", None) or [])
