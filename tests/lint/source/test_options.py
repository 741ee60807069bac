"""Defaults of options that speak of normalization, by commands and settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lint.subjects.source import Project

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("files", "options"),
    [
        ({"a.py": "p.add_argument('--norm', default='batch')"}, {"norm": "batch"}),
        (
            {"a.py": "p.add_argument('--use-bn', action='store_true')"},
            {"use_bn": False},
        ),
        ({"a.py": "p.add_argument('-n', dest='bn', default=1)"}, {"bn": 1}),
        ({"a.py": "p.add_argument('--norm', default=f())"}, {"norm": ...}),
        ({"a.py": "p.add_argument('--norm', required=True)"}, {"norm": ...}),
        ({"a.py": "p.add_argument('--mode', default='train')"}, {}),
        ({"a.py": "p.add_argument('norm')"}, {}),
        ({"a.py": "flags.DEFINE_string('norm', 'batch', 'help')"}, {"norm": "batch"}),
        (
            {"a.py": "", "c/d.yaml": "net:\n  norm: gate  # or batch\n"},
            {"norm": "gate"},
        ),
        ({"a.py": "", "a.yml": "use_bn: False\n"}, {"use_bn": False}),
        ({"a.py": "", "a.yml": "norm: gate\n", "b.yml": "norm: batch\n"}, {}),
        ({"a.yml": "norm: gate\n"}, {}),
    ],
)
def test_defaults(
    files: dict[str, str], options: dict[str, object], tmp_path: Path
) -> None:
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    assert Project(tmp_path).options == options
