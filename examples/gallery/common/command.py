"""The command line of each script."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from matplotlib.backend_bases import FigureCanvasBase

from .pictures import save


def command(script: str, doc: str, run, report, draw) -> None:
    """Run a script from the command line: print its report, write its picture."""
    name = Path(script).stem
    parser = argparse.ArgumentParser(
        description=doc.splitlines()[0],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--short", action="store_true", help="one seed and less of all, in seconds"
    )
    parser.add_argument(
        "--picture",
        type=Path,
        default=Path(f"{name}.png"),
        metavar="FILE",
        help="where to write the picture (default: %(default)s)",
    )
    arguments = parser.parse_args()
    if not arguments.picture.absolute().parent.is_dir():
        parser.error(f"no folder for the picture. Received: {arguments.picture}")
    formats = sorted(FigureCanvasBase.get_supported_filetypes())
    if arguments.picture.suffix[1:] not in formats:
        parser.error(
            f"no format for a picture. Received: {arguments.picture}. There are "
            f"{', '.join(formats)}"
        )
    results = run(short=arguments.short)
    print(report(results))
    save(draw(results), arguments.picture)
    print(f"Picture: {arguments.picture}", file=sys.stderr)
