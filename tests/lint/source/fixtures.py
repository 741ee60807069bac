"""The sources under `tests/fixtures`, and the findings that their comments expect.

A comment `# expect: BN101 W` stands in each line with a finding. The first line of a
source may name the Keras that it is for, `# keras 3.4`, or the only rules that are
asked, `# rules BN401`. A folder is a project of several files.
"""

from __future__ import annotations

import ast
import re
from graphlib import TopologicalSorter
from pathlib import Path
from typing import TYPE_CHECKING

from lint.rules import all_rules, rules_matching
from lint.rules.rule import Rule
from lint.subjects.source import Module, Project, read_module

if TYPE_CHECKING:
    from lint.findings import Finding

FIXTURES = Path(__file__).parents[2] / "fixtures"
RULES = tuple(
    rule
    for rule in all_rules()
    if rule.default and type(rule).check_source is not Rule.check_source
)
"""The rules on source that are on by default."""

_EXPECTED = re.compile(r"# expect: (BN\d{3}) ([EWI])")
_VERSION = re.compile(r"# keras ([\d.]+)")
_RULES = re.compile(r"# rules (\S+)")

Found = tuple[str, int | None, str, str]


def expected_in(*paths: Path) -> list[Found]:
    """File, line, code and severity of each finding that a comment expects."""
    return sorted(
        (path.name, number, match[1], match[2])
        for path in paths
        for number, line in enumerate(path.read_text().splitlines(), 1)
        for match in _EXPECTED.finditer(line)
    )


def found_in(*paths: Path, root: Path) -> list[Found]:
    """File, line, code and severity of each finding in the sources of a project."""
    project = Project(root)
    return sorted(
        of_expected_form(path, finding)
        for path in paths
        for finding in findings_in(path, read(path, project))
    )


def of_expected_form(path: Path, finding: Finding) -> Found:
    """What a comment says of a finding."""
    return path.name, finding.line, finding.code, finding.severity.letter


def read(path: Path, project: Project) -> Module:
    """Read a source for the Keras that its first line may name."""
    named = _VERSION.match(path.read_text())
    return read_module(path, project, keras_version=named[1] if named else None)


def findings_in(path: Path, module: Module) -> list[Finding]:
    """Ask the rules that the first line of a source names, or those by default."""
    named = _RULES.match(path.read_text())
    rules = rules_matching(named[1]) if named else RULES
    return [finding for rule in rules for finding in rule.check_source(module)]


def joined(folder: Path) -> str:
    """Write the files of a folder as one, each behind those it imports names from."""
    modules = {path.stem: ast.parse(path.read_text()) for path in folder.glob("*.py")}
    imports = {
        stem: [
            node
            for node in module.body
            if isinstance(node, ast.ImportFrom) and node.module in modules
        ]
        for stem, module in modules.items()
    }
    lines = []
    for stem in TopologicalSorter(
        {stem: {node.module for node in nodes} for stem, nodes in imports.items()}
    ).static_order():
        skipped = {
            number
            for node in imports[stem]
            for number in range(node.lineno, (node.end_lineno or node.lineno) + 1)
        }
        written = (folder / f"{stem}.py").read_text().splitlines()
        lines += [line for at, line in enumerate(written, 1) if at not in skipped]
    # The Keras that it is for stands first.
    lines.sort(key=lambda line: not _VERSION.match(line))
    return "\n".join(lines)
