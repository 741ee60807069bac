"""Every rule is proven: its examples run on real Keras, and the rule tells them apart.

The bad example must show the harm and be found, the good one must be healthy and
clean, as source, as a live model and as a saved file, wherever the rule reads them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import lint
from lint.rules import Rule, all_rules
from lint.subjects.source import Project, module_from_bytes

RULES = [rule for rule in all_rules() if getattr(rule, "bad", "")]
PROVEN = [rule for rule in RULES if rule.proof is not None]
# Up to Keras 3.15 a graph does not obey its flags, so that these two have nothing to
# say about the models that this Keras makes; BN105 has.
NOT_IN_MODELS_OF_THIS_KERAS = {"BN103", "BN104"}


def reads_source(rule: Rule) -> bool:
    return type(rule).check_source is not Rule.check_source


def reads_models(rule: Rule) -> bool:
    overridden = type(rule).check_model is not Rule.check_model
    return overridden and rule.code not in NOT_IN_MODELS_OF_THIS_KERAS


def found_in_source(rule: Rule, text: str) -> bool:
    path = Path("example.py")
    module = module_from_bytes(text.encode(), path, Project(path.parent / "none"))
    return any(rule.check_source(module))


def found_in(rule: Rule, target: Any) -> bool:
    return bool(lint.check(target, select=[rule.code]))


def run(text: str) -> dict[str, Any]:
    namespace: dict[str, Any] = {"__name__": "example"}
    exec(compile(text, "example.py", "exec"), namespace)
    return namespace


def ids(rule: Rule) -> str:
    return rule.code


@pytest.mark.parametrize("rule", RULES, ids=ids)
def test_documentation_is_complete(rule: Rule) -> None:
    text = type(rule).__doc__ or ""
    assert "## What it does" in text
    assert "## Why is this bad" in text
    assert rule.bad != rule.good


@pytest.mark.parametrize(
    "rule", [rule for rule in RULES if reads_source(rule)], ids=ids
)
def test_source_of_the_examples(rule: Rule) -> None:
    assert found_in_source(rule, rule.bad)
    assert not found_in_source(rule, rule.good)


@pytest.mark.parametrize(
    "rule", [rule for rule in RULES if reads_source(rule)], ids=ids
)
def test_good_examples_are_clean_for_every_rule(rule: Rule) -> None:
    assert not [
        finding.code for finding in RULES if found_in_source(finding, rule.good)
    ]


@pytest.mark.long
@pytest.mark.parametrize("rule", [rule for rule in PROVEN if rule.backend], ids=ids)
def test_proof_on_its_backend(rule: Rule, subprocess_python) -> None:
    pytest.importorskip(rule.backend or "")
    healthy = f"{rule.proof}\nprint('healthy', healthy)"
    found = f"import lint\nprint('found', len(lint.check(model, select={[rule.code]})))"
    for text, outcome in ((rule.bad, "False\nfound 1"), (rule.good, "True\nfound 0")):
        done = subprocess_python(f"{text}\n{healthy}\n{found}")
        assert f"healthy {outcome}" in done.out, done.err


@pytest.mark.parametrize("rule", [each for each in PROVEN if not each.backend], ids=ids)
def test_proof(rule: Rule, tmp_path: Path) -> None:
    assert rule.proof is not None
    for text, healthy in ((rule.bad, False), (rule.good, True)):
        namespace = run(text)
        model = namespace.get("model")
        if reads_models(rule):
            if not rule.saved_only:
                assert found_in(rule, model) is not healthy, "live"
            if not rule.live_only:
                path = tmp_path / f"{healthy}.keras"
                model.save(path)
                assert found_in(rule, path) is not healthy, "saved"
        exec(rule.proof, namespace)
        assert namespace["healthy"] is healthy
