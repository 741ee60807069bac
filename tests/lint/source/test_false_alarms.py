"""Keras' own sources, which are right, raise no error or warning."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from lint.findings import Severity
from lint.rules import all_rules
from lint.subjects.source import Project, read_module

SPEC = find_spec("keras")
assert SPEC is not None
assert SPEC.origin is not None
SOURCES = Path(SPEC.origin).parent / "src"


@pytest.mark.parametrize("folder", ["applications", "layers", "models", "trainers"])
def test_keras_sources(folder: str) -> None:
    project = Project(SOURCES.parent.parent)
    paths = [
        path
        for path in sorted((SOURCES / folder).rglob("*.py"))
        if not path.name.endswith("_test.py")
    ]
    assert paths
    for path in paths:
        module = read_module(path, project)
        grave = [
            finding
            for rule in all_rules()
            for finding in rule.check_source(module)
            if finding.severity.at_least(Severity.WARNING)
        ]
        assert not grave
