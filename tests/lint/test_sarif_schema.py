"""What our tests take SARIF for, held against the official schema.

No package brings the schema itself. `sarif_om` holds classes that were generated from
it, with every property and which of them are required, but neither types nor values.
With the environment variable SARIF_SCHEMA, the path of the schema, reports are
validated by it as well.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from lint.findings import Severity
from lint.rules import all_rules

from .conftest import SAVED_MODELS
from .test_machine_reports import FIX, PLACES, SARIF, finding, report, written

SCHEMA = os.environ.get("SARIF_SCHEMA", "")
WHERE = (
    "SARIF_SCHEMA names no file; take sarif-schema-2.1.0.json from "
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/"
)
BAD_SOURCES = Path(__file__).parents[1] / "fixtures" / "source"


@pytest.mark.parametrize("name", SARIF)
def test_our_table_is_that_of_the_schema(name):
    sarif_om = pytest.importorskip("sarif_om")
    attr = pytest.importorskip("attr")  # which sarif_om is made with
    of_class = "SarifLog" if name == "log" else name[0].upper() + name[1:]
    official = {
        field.metadata["schema_property_name"]: field.default is attr.NOTHING
        for field in attr.fields(getattr(sarif_om, of_class))
    }
    ours = {key.rstrip("!"): key.endswith("!") for key in SARIF[name]}
    # The key of JSON schemas is called otherwise in Python.
    official = {key.replace("schema_uri", "$schema"): official[key] for key in official}
    assert ours.keys() <= official.keys()
    assert {key for key in official if official[key]} <= {
        key for key in ours if ours[key]
    }


@pytest.fixture
def errors_in():
    """Says what the official schema has against a report."""
    jsonschema = pytest.importorskip("jsonschema")
    schema = json.loads(Path(SCHEMA).read_text("utf-8"))
    validator = jsonschema.validators.validator_for(schema)(schema)
    return lambda text: [
        each.message for each in validator.iter_errors(json.loads(text))
    ]


@pytest.mark.skipif(not SCHEMA, reason=WHERE)
class TestByTheOfficialSchema:
    def test_it_finds_what_is_wrong(self, errors_in):
        assert errors_in('{"version": "2.1.0", "runs": [{"tool": {}}]}')
        assert errors_in('{"version": "2.1.0", "runs": [], "more": 1}')

    @pytest.mark.parametrize("statistics", [False, True])
    def test_every_kind_of_place(self, errors_in, statistics):
        some = [
            finding(severity, fix=fix, **place)
            for severity in Severity
            for fix in (None, FIX)
            for place in PLACES
        ]
        excerpts = dict.fromkeys(some, "x = BN(m=.1)")
        text = written(report(*some, excerpts=excerpts), "sarif", statistics=statistics)
        assert errors_in(text) == []
        assert errors_in(written(report(), "sarif", statistics=statistics)) == []

    def test_what_the_command_writes(self, errors_in, command, folder):
        for rule in all_rules():
            (folder / f"{rule.code}.py").write_text(getattr(rule, "bad", ""))
        cells = [["import keras\n"], ["print 1"], [all_rules()[-1].bad]]
        content = {"cells": [{"cell_type": "code", "source": cell} for cell in cells]}
        (folder / "a.ipynb").write_text(json.dumps(content))
        model = SAVED_MODELS / "keras-3.15" / "sequential.keras"
        outcome = command(
            *(".", BAD_SOURCES, model, "--select", "ALL", "--output-format", "sarif")
        )
        assert len(json.loads(outcome.out)["runs"][0]["results"]) > 100
        assert errors_in(outcome.out) == []
