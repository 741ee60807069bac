"""The GitHub action: its steps are run here, as its runner would."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
ACTION = yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))
BAD = "import keras\n\nbn = keras.layers.BatchNormalization(momentum=0.1)\n"


class Runner:
    """Runs the steps of a composite action that are shell scripts."""

    def __init__(self, folder, inputs):
        self.folder = folder
        self.outputs = {}
        self.log = {}
        defaults = {key: each["default"] for key, each in ACTION["inputs"].items()}
        self.values = {f"inputs.{k}": v for k, v in (defaults | inputs).items()}
        self.values["github.action_path"] = str(ROOT)
        self.env = os.environ | {"RUNNER_TEMP": str(folder / "temp")}
        # The tool of this environment, as an installation takes long.
        self.env["MODEL_LINT"] = str(Path(sys.executable).with_name("model-lint"))

    def run(self, name):
        (step,) = (each for each in ACTION["runs"]["steps"] if each.get("name") == name)
        output = self.folder / f"{name}.output"
        output.touch()
        env = {key: self._filled(text) for key, text in step.get("env", {}).items()}
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
            cwd=self.folder / "work",
            env=self.env | env | {"GITHUB_OUTPUT": str(output)},
            capture_output=True,
            text=True,
        )
        self.log[name] = done.stdout
        for line in output.read_text().splitlines():
            key, _, value = line.partition("=")
            self.values[f"steps.{step['id']}.outputs.{key}"] = value
        return done.returncode

    def _filled(self, text):
        return re.sub(r"\$\{\{ (\S+) \}\}", lambda match: self.values[match[1]], text)


def lint(folder, **inputs):
    (folder / "work").mkdir()
    (folder / "work/bad.py").write_text(BAD)
    (folder / "work/good.py").write_text("x = 1\n")
    runner = Runner(folder, inputs)
    assert runner.run("Lint") == 0
    return runner, runner.run("Result")


def test_findings_fail_the_job_and_are_uploaded(tmp_path):
    runner, status = lint(tmp_path)
    assert status == 1
    (run,) = json.loads((tmp_path / "work/model-lint.sarif").read_text())["runs"]
    assert [each["ruleId"] for each in run["results"]] == ["BN201"]
    assert "::error file=bad.py,line=3" in runner.log["Lint"]


def test_options_and_targets_are_words(tmp_path):
    _, status = lint(tmp_path, targets="good.py bad.py", options="--ignore BN201,BN202")
    assert status == 0


def test_a_wrong_option_fails_the_job(tmp_path):
    assert lint(tmp_path, options="--no-such-option")[1] == 2


def test_every_value_in_the_steps_exists():
    text = (ROOT / "action.yml").read_text("utf-8")
    used = set(re.findall(r"\$\{\{ inputs\.([\w-]+) \}\}", text))
    assert used <= set(ACTION["inputs"])
    assert used | {"upload"} == set(ACTION["inputs"])


@pytest.mark.packaging
def test_the_action_installs_itself(tmp_path):
    (tmp_path / "work").mkdir()
    (tmp_path / "temp").mkdir()
    runner = Runner(tmp_path, {})
    runner.env["GITHUB_ENV"] = str(tmp_path / "env")
    assert runner.run("Install") == 0
    key, _, command = (tmp_path / "env").read_text().strip().partition("=")
    assert key == "MODEL_LINT"
    shown = subprocess.run([command, "--version"], capture_output=True, text=True)
    assert shown.stdout.startswith("model-lint ")
