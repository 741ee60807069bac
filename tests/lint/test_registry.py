"""The registry finds every rule, and selectors mean what they say."""

import re

import pytest

from lint import UsageError
from lint.rules import (
    Rule,
    all_rules,
    enabled_rules,
    rule_by_code,
    rules_matching,
    selector_means,
)
from lint.rules.documentation import markdown, subjects, summary, why

RULES = all_rules()


def codes(rules):
    return [rule.code for rule in rules]


STATISTICS_BUT_203 = [
    code for code in codes(RULES) if code.startswith("BN20") and code != "BN203"
]


def test_rules_are_sorted_and_distinct():
    assert codes(RULES) == sorted(set(codes(RULES)))
    assert len({rule.name for rule in RULES}) == len(RULES)


@pytest.mark.parametrize("rule", RULES, ids=codes(RULES))
class TestEveryRule:
    def test_has_the_file_name_of_its_code_and_name(self, rule):
        stem = type(rule).__module__.rpartition(".")[2]
        assert stem == f"{rule.code}_{rule.name}".lower().replace("-", "_")

    def test_is_documented(self, rule):
        text = markdown(rule)
        headings = re.findall(r"^## (.*)$", text, re.MULTILINE)
        assert headings[:2] == ["What it does", "Why is this bad"]
        assert headings[-2:] == ["Bad", "Good"]
        assert set(headings[2:-2]) <= {"Fix", "Limits", "References"}
        assert summary(rule).endswith(".")
        assert len(summary(rule)) <= 88

    def test_rationale_begins_with_a_sentence_for_the_report(self, rule):
        assert why(rule).endswith((".", "?"))
        assert "\n" not in why(rule)

    def test_examples_are_python_or_show_what_is_not(self, rule):
        compile(rule.good, "good", "exec")
        if rule.code != "BN001":
            compile(rule.bad, "bad", "exec")

    def test_looks_at_something(self, rule):
        hooks = (
            *("check_source", "check_model", "check_unread"),
            "check_suppressions",
        )
        assert any(
            getattr(type(rule), hook) is not getattr(Rule, hook) for hook in hooks
        )


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("BN001", ["any file"]),
        ("BN101", ["live models", "source"]),
        ("BN201", ["saved and live models", "source"]),
        ("BN204", ["saved and live models"]),
        ("BN206", ["saved models", "source"]),
        ("BN405", ["saved and live models"]),
    ],
)
def test_the_index_tells_what_a_rule_looks_at(code, expected):
    assert subjects(rule_by_code(code)) == expected


def test_without_selectors_the_default_rules_are_on():
    assert codes(enabled_rules()) == codes(rule for rule in RULES if rule.default)


def test_an_off_rule_is_on_only_when_selected():
    off = {"BN004", "BN401", "BN402", "BN404", "BN405"}
    assert {rule.code for rule in RULES if not rule.default} == off
    assert not off & set(codes(enabled_rules()))
    for code in off:
        assert code in codes(enabled_rules([code]))
        assert code in codes(enabled_rules([code[:3]]))
        assert code in codes(enabled_rules(["ALL"]))
        assert code not in codes(enabled_rules(["BN"]))
        assert code in codes(enabled_rules(extend_select=[code]))


def test_all_that_is_on_by_default_is_named_bn():
    assert enabled_rules(["BN"]) == enabled_rules()
    assert codes(enabled_rules(["BN201"], [], ["BN405"])) == ["BN001", "BN201", "BN405"]
    assert "BN405" in codes(enabled_rules(["BN", "BN405"]))


@pytest.mark.parametrize(
    ("select", "ignore", "expected"),
    [
        (["BN201"], [], ["BN001", "BN201"]),
        (["bn201"], [], ["BN001", "BN201"]),
        (["momentum-too-small"], [], ["BN001", "BN201"]),
        (["BN201"], ["BN001"], ["BN201"]),
        (["BN203"], ["BN20"], ["BN001", "BN203"]),
        (["BN20"], ["BN203", "BN2"], ["BN001", *STATISTICS_BUT_203]),
        (["BN2"], ["BN20", "BN21"], ["BN001"]),
        (["BN2"], ["BN2"], ["BN001"]),
        (["BN2", "BN203"], ["BN20", "BN21"], ["BN001", "BN203"]),
        (["ALL"], ["BN1", "BN2", "BN3", "BN4", "BN0"], []),
        (["BN4"], ["BN403"], ["BN001", "BN401", "BN402", "BN404", "BN405"]),
        ([], [], ["BN001"]),
    ],
)
def test_the_more_specific_selector_wins(select, ignore, expected):
    assert codes(enabled_rules(select, ignore)) == expected


def test_ignore_alone_leaves_the_other_defaults_on():
    left = codes(rule for rule in RULES if rule.default and rule.code >= "BN2")
    assert codes(enabled_rules(None, ["BN0", "BN1"])) == left


@pytest.mark.parametrize(
    ("selector", "suggestion"),
    [("BN4O1", "'BN401'"), ("momentum-to-small", "'momentum-too-small'")],
)
def test_an_unknown_selector_is_refused_with_a_suggestion(selector, suggestion):
    for ask in (rules_matching, rule_by_code, lambda word: enabled_rules([word])):
        with pytest.raises(UsageError) as error:
            ask(selector)
        assert f"Received: {selector!r}. Did you mean {suggestion}?" in str(error.value)


def test_a_prefix_is_no_code_of_one_rule():
    with pytest.raises(UsageError):
        rule_by_code("BN2")


def test_a_prefix_matches_from_the_start_only():
    assert not selector_means("N201", "BN201", "momentum-too-small")
    assert not selector_means("", "BN201", "momentum-too-small")
    assert not selector_means("BN2011", "BN201", "momentum-too-small")
