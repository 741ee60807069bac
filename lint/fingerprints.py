"""Stable names for findings when lines move, for services that track them."""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .findings import Finding


def fingerprints(
    findings: Sequence[Finding], excerpts: Mapping[Finding, str]
) -> list[str]:
    """Return a distinct fingerprint for each finding.

    It is made from the rule, the file, the layer and the text of the line, without
    surrounding space. Findings that agree in all of these are numbered.

    Args:
        findings: the findings of one report.
        excerpts: the first line of source of each finding in source.
    """
    seen: Counter[str] = Counter()
    found = []
    for finding in findings:
        text = excerpts.get(finding, "").strip()
        parts = (finding.code, finding.path or "", finding.layer or "", text)
        joined = "\0".join(parts).encode("utf-8", "surrogatepass")
        digest = hashlib.sha256(joined).hexdigest()[:32]
        seen[digest] += 1
        found.append(f"{digest}:{seen[digest]}")
    return found
