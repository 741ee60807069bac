"""Imports are looked up in the project, and nowhere else."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from lint.rules import all_rules
from lint.subjects.source import Project, read_module

if TYPE_CHECKING:
    from pathlib import Path

BAD = "from keras import layers\n\n\ndef norm(momentum):\n"
BAD += "    return layers.BatchNormalization(momentum=momentum)\n"


def count(path: Path, root: Path) -> int:
    module = read_module(path, Project(root))
    return sum(1 for rule in all_rules() for _ in rule.check_source(module))


@pytest.mark.parametrize(
    ("place", "line"),
    [
        ("helpers.py", "from helpers import norm"),
        ("helpers.py", "from helpers import *"),
        ("helpers.py", "from helpers import norm as norm"),
        ("pack/helpers.py", "from pack.helpers import norm"),
        ("pack/sub/helpers.py", "from pack.sub.helpers import norm"),
        ("src/pack/helpers.py", "from pack.helpers import norm"),
        ("helpers.py", "import helpers\nnorm = helpers.norm"),
        ("pack/helpers.py", "import pack.helpers\nnorm = pack.helpers.norm"),
        ("pack/helpers.py", "import pack.helpers as h\nnorm = h.norm"),
        ("pack/helpers.py", "from pack import helpers\nnorm = helpers.norm"),
    ],
)
def test_imports_are_found(place: str, line: str, tmp_path: Path) -> None:
    (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / place).write_text(BAD)
    main = tmp_path / "main.py"
    main.write_text(f"{line}\n\nx = norm(momentum=0.1)\n")
    assert count(main, tmp_path) == 1


@pytest.mark.parametrize(
    ("place", "line"),
    [
        ("app/helpers.py", "from .helpers import norm"),
        ("helpers.py", "from ..helpers import norm"),
        ("app/__init__.py", "from . import norm"),
        ("app/helpers.py", "from . import helpers\nnorm = helpers.norm"),
    ],
)
def test_relative_imports_are_found(place: str, line: str, tmp_path: Path) -> None:
    main = tmp_path / "app" / "main.py"
    main.parent.mkdir()
    (tmp_path / place).write_text(BAD)
    main.write_text(f"{line}\n\nx = norm(momentum=0.1)\n")
    assert count(main, tmp_path) == 1


def test_a_package_may_re_export(tmp_path: Path) -> None:
    package = tmp_path / "pack"
    package.mkdir()
    (package / "__init__.py").write_text("from .helpers import norm\n")
    (package / "helpers.py").write_text(BAD)
    main = tmp_path / "main.py"
    main.write_text("from pack import norm\nx = norm(momentum=0.1)\n")
    assert count(main, tmp_path) == 1


@pytest.mark.parametrize(
    ("folder", "line", "is_package", "expected"),
    [
        ("pack", "from pack.helpers import norm", True, 1),
        ("pack-main", "from pack.sub.helpers import norm", True, 1),
        ("pack", "from pack import norm", True, 1),
        ("pack", "import pack.helpers\nnorm = pack.helpers.norm", True, 1),
        ("pack", "from pack.helpers import norm", False, 0),
        ("pack", "from .pack.helpers import norm", True, 0),
        ("other", "from pack.helpers import norm", True, 0),
    ],
)
def test_the_root_may_be_the_package(
    folder: str, line: str, is_package: bool, expected: int, tmp_path: Path
) -> None:
    root = tmp_path / folder
    (root / "sub").mkdir(parents=True)
    (root / "helpers.py").write_text(BAD)
    (root / "sub" / "helpers.py").write_text(BAD)
    if is_package:
        (root / "__init__.py").write_text("from .helpers import norm\n")
    main = root / "main.py"
    main.write_text(f"{line}\n\nx = norm(momentum=0.1)\n")
    assert count(main, root) == expected


def test_the_root_is_never_left(tmp_path: Path) -> None:
    (tmp_path / "helpers.py").write_text(BAD)
    root = tmp_path / "project"
    root.mkdir()
    main = root / "main.py"
    main.write_text("from ..helpers import norm\nx = norm(momentum=0.1)\n")
    assert count(main, root) == 0
    (root / "helpers.py").symlink_to(tmp_path / "helpers.py")
    main.write_text("from helpers import norm\nx = norm(momentum=0.1)\n")
    assert count(main, root) == 0


def test_cycles_links_and_broken_files(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("from b import *\nfrom loop.a import x\n")
    (tmp_path / "b.py").write_text("from a import *\nfrom broken import y\n")
    (tmp_path / "broken.py").write_text("def (")
    (tmp_path / "loop").symlink_to(tmp_path)
    main = tmp_path / "main.py"
    main.write_text("from a import x, y, z\nx(momentum=0.1)\ny(z, training=True)\n")
    assert count(main, tmp_path) == 0


def test_keras_is_keras_wherever_it_lies(tmp_path: Path) -> None:
    """A folder called keras in a project does not hide what the name means."""
    (tmp_path / "keras").mkdir()
    (tmp_path / "keras" / "__init__.py").write_text("layers = None\n")
    main = tmp_path / "main.py"
    main.write_text("import keras\nkeras.layers.BatchNormalization(momentum=0.1)\n")
    assert count(main, tmp_path) == 1


NET = """\
import keras


class Net(keras.Model):
    def __init__(self):
        super().__init__()
        self.bn = keras.layers.BatchNormalization()

    def call(self, x):
        return self.bn(x)
"""


@pytest.mark.parametrize(
    ("user", "severity"),
    [
        ("import nothing\n", "W"),
        ("from net import Net\nnet = Net()\nnet.fit(x, y)\n", "E"),
        ("from net import Net\nnet = Net()\nnet.compile('sgd')\n", "W"),
        ("from net import Net\nclass Own(Net): ...\nOwn().fit(x, y)\n", "E"),
        ("from net import Net\ny = Net()\ny(x, training=True)\n", ""),
        ("from net import Net\nNet().predict(x)\n", ""),
        (
            "import keras\nfrom net import Net\n"
            "class Whole(keras.Model):\n"
            "    def __init__(self):\n        self.net = Net()\n"
            "    def call(self, x, training=None):\n        return self.net(x)\n",
            "",
        ),
    ],
)
def test_uses_in_other_files_count(user: str, severity: str, tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(NET)
    (tmp_path / "user.py").write_text(user)
    project = Project(tmp_path)
    module = read_module(tmp_path / "net.py", project, keras_version="3")
    found = [finding for rule in all_rules() for finding in rule.check_source(module)]
    assert [finding.severity.letter for finding in found] == list(severity)


def test_uses_through_a_builder_of_another_file_count(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(NET)
    (tmp_path / "factory.py").write_text("import net\ndef build(): return net.Net()\n")
    (tmp_path / "train.py").write_text("import factory\nfactory.build().fit(x, y)\n")
    assert severity_of_net(tmp_path) == "E"


def severity_of_net(root: Path) -> str:
    module = read_module(root / "net.py", Project(root), keras_version="3")
    found = [finding for rule in all_rules() for finding in rule.check_source(module)]
    return "".join(finding.severity.letter for finding in found)


@pytest.mark.parametrize(
    ("cells", "severity"),
    [
        (["%matplotlib inline\nfrom net import Net\n", "Net().fit(x, y)\n"], "E"),
        (["from net import Net\nnet = Net()\nnet.predict(x)\n"], ""),
        (["Net in words alone, which is no Python"], "W"),
    ],
)
def test_uses_in_notebooks_count(
    cells: list[str], severity: str, tmp_path: Path
) -> None:
    (tmp_path / "net.py").write_text(NET)
    written = [{"cell_type": "code", "source": cell} for cell in cells]
    (tmp_path / "use.ipynb").write_text(json.dumps({"cells": written}))
    assert severity_of_net(tmp_path) == severity


@pytest.mark.parametrize("content", ["", "[1]", "{", "\x00", '{"cells": 3}'])
def test_what_is_no_notebook_does_no_harm(content: str, tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(NET)
    (tmp_path / "use.ipynb").write_text(content)
    assert severity_of_net(tmp_path) == "W"


INHERITING = """\
import keras


class Net(keras.Model):
    def __init__(self):
        super().__init__()
        self.bn = keras.layers.BatchNormalization()

    def call(self, x, training=None):
        return self.bn(x)
"""


@pytest.mark.parametrize(
    ("backend", "codes"), [("jax", ["BN113"]), ("torch", []), (None, [])]
)
def test_who_fits_a_class_tells_the_backend(backend, codes, tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(INHERITING)
    choice = f'import os\nos.environ["KERAS_BACKEND"] = "{backend}"\n'
    fitting = "from net import Net\nmodel = Net()\nmodel.fit(x, y)\n"
    (tmp_path / "train.py").write_text((choice if backend else "") + fitting)
    module = read_module(tmp_path / "net.py", Project(tmp_path))
    found = [
        finding.code for rule in all_rules() for finding in rule.check_source(module)
    ]
    assert found == codes


SLIM_NET = """\
import tensorflow as tf
from tensorflow.contrib import slim

def network(x):
    return slim.batch_norm(x)
"""
SLIM_SCOPE = """\
from tensorflow.contrib import slim

def my_scope(is_training, bn_decay=0.9, weight_decay=1e-4):
    params = dict(decay=bn_decay, {flag}updates_collections={where})
    with slim.arg_scope([slim.conv2d], normalizer_fn=slim.batch_norm,
                        normalizer_params=params):
        with slim.arg_scope([slim.batch_norm], **params) as scope:
            return scope
"""
SLIM_TRAINING = """\
import tensorflow as tf
from tensorflow.contrib import slim
from net import network
from helper import my_scope

with slim.arg_scope(my_scope(is_training, bn_decay={decay}, weight_decay=0.1)):
    y = network(x)
train_op = tf.train.AdamOptimizer().minimize(loss)
"""
FLAG = "is_training=is_training, "
COLLECTED = "tf.GraphKeys.UPDATE_OPS"


@pytest.mark.parametrize(
    ("flag", "where", "decay", "codes"),
    [
        (FLAG, None, 0.9, {"net": [], "helper": [], "train": []}),
        ("", None, 0.9, {"net": ["BN302"], "helper": ["BN302"], "train": []}),
        (FLAG, None, 0.1, {"net": [], "helper": [], "train": ["BN201"]}),
        (FLAG, COLLECTED, 0.9, {"net": [], "helper": [], "train": ["BN301"]}),
        ("is_training=True, ", COLLECTED, 0.9, {"net": [], "helper": [], "train": []}),
    ],
)
def test_scopes_hold_for_what_is_called_in_them(
    flag, where, decay, codes, tmp_path: Path
) -> None:
    (tmp_path / "net.py").write_text(SLIM_NET)
    (tmp_path / "helper.py").write_text(SLIM_SCOPE.format(flag=flag, where=where))
    (tmp_path / "train.py").write_text(SLIM_TRAINING.format(decay=decay))
    found = {}
    for name in codes:
        module = read_module(tmp_path / f"{name}.py", Project(tmp_path))
        found[name] = [
            finding.code
            for rule in all_rules()
            for finding in rule.check_source(module)
        ]
    assert found == codes
