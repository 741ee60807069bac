"""Each module can be the first that a program imports."""

import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parent.parent

# Every time it is as if Keras had not been imported: then importing it brings the
# layer. All below the top of Keras stays, which keeps this short.
CODE = """
import importlib, sys
import keras

def is_ours(name):
    return name.split(".")[0] in ("kerasbn", "lint")

wrong = []
for name in sys.argv[1:]:
    for loaded in [m for m in sys.modules if m == "keras" or is_ours(m)]:
        del sys.modules[loaded]
    sys.meta_path = [f for f in sys.meta_path if not is_ours(type(f).__module__)]
    try:
        importlib.import_module(name)
    except ImportError as error:
        wrong.append(f"{name}: {error}")
        continue
    if ("keras" in sys.modules) != ("kerasbn.layer" in sys.modules):
        if "kerasbn" in sys.modules:
            wrong.append(f"{name}: Keras without the layer")
sys.exit("\\n".join(wrong) or None)
"""


@pytest.mark.long
def test_every_module_can_be_first():
    paths = sorted(
        path.relative_to(ROOT).with_suffix("")
        for package in ("kerasbn", "lint")
        for path in (ROOT / package).rglob("*.py")
    )
    names = [".".join(path.parts).removesuffix(".__init__") for path in paths]
    others = {"tensorflow", "torch", "__main__"}  # Only JAX is asked for here.
    names = [name for name in names if not others & set(name.split("."))]
    assert "kerasbn.renorm" in names
    done = subprocess.run(
        [sys.executable, "-c", CODE, *names],
        env=os.environ | {"KERAS_BACKEND": "jax"},
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
