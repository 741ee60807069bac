"""Who may import whom, as the README draws it."""

import ast
import pathlib

import pytest

ROOT = pathlib.Path(__file__).parent.parent
FRAMEWORKS = {"keras", "tensorflow", "jax", "torch"}

# Where a module may import the framework that it, or its folder, is named after.
HAS_BACKENDS = ("kerasbn/kernels/", "kerasbn/replicas/")

# The only modules that import Keras, by path or by folder. Everything else stays
# usable where no framework is loaded.
MAY_IMPORT_KERAS = (
    "kerasbn/layer.py",
    "kerasbn/moving_average.py",
    "kerasbn/renorm.py",
    "kerasbn/statistics.py",
    "kerasbn/kernels/",
    "kerasbn/replicas/",
    "kerasbn/combine.py",
    "kerasbn/live.py",
    "kerasbn/exchange.py",
    "kerasbn/recalibration/",
    "kerasbn/tracing.py",
    "kerasbn/folding/proof/",
)

LINT_WITH_KERAS = ("lint/subjects/", "lint/watching/")

SOURCES = sorted(
    path.relative_to(ROOT).as_posix()
    for package in ("kerasbn", "lint")
    for path in (ROOT / package).rglob("*.py")
)


def imported(source):
    """The names of the modules that a file imports, inside functions too."""
    for node in ast.walk(ast.parse((ROOT / source).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module


@pytest.mark.parametrize("source", SOURCES)
def test_imports(source):
    names = set(imported(source))
    frameworks = {name.split(".")[0] for name in names} & FRAMEWORKS
    if source.startswith("lint/"):
        ours = {name for name in names if name.split(".")[0] == "kerasbn"}
        assert all(name.split(".")[1] in ("archive", "graph") for name in ours)
        assert frameworks <= (
            {"keras"} if source.startswith(LINT_WITH_KERAS) else set()
        )
        return
    assert not {name for name in names if name.split(".")[0] == "lint"}
    if source == "kerasbn/recalibration/eager.py":
        return  # The way past what a backend compiled is each backend's own.
    if source.startswith(HAS_BACKENDS):
        assert frameworks <= {"keras", *pathlib.Path(source).with_suffix("").parts}
    elif source.startswith(MAY_IMPORT_KERAS):
        assert frameworks <= {"keras"}
    else:
        assert not frameworks


def test_ci_runs_the_command_of_the_readme():
    command = 'pip install -q -e ".[test]" && .venv/bin/pytest'
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (line,) = (line for line in readme.splitlines() if command in line)
    assert line in (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
