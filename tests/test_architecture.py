"""Who may import whom, as `docs/how/architecture.md` draws it."""

import ast
import pathlib
import re
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parent.parent
FRAMEWORKS = {"keras", "tensorflow", "jax", "torch"}

# Where a module may import the framework that it, or its folder, is named after.
HAS_BACKENDS = ("kerasbn/kernels/", "kerasbn/replicas/")

# The only modules that import Keras, by path or by folder. Everything else stays
# usable where no framework is loaded.
MAY_IMPORT_KERAS = (
    "kerasbn/layer/",
    "kerasbn/moving_average.py",
    "kerasbn/renorm.py",
    "kerasbn/statistics/",
    "kerasbn/kernels/",
    "kerasbn/replicas/",
    "kerasbn/combine.py",
    "kerasbn/comparing.py",
    "kerasbn/live/",
    "kerasbn/exchange.py",
    "kerasbn/freezing.py",
    "kerasbn/recalibration/",
    "kerasbn/folding/proof/",
)

# What `lint` uses of `kerasbn`.
LINT_MAY_IMPORT = ("archive", "graph", "isolation", "live", "starting", "writing")

LINT_WITH_KERAS = ("lint/subjects/", "lint/watching/", "lint/diagnosis/")

SOURCES = sorted(
    path.relative_to(ROOT).as_posix()
    for package in ("kerasbn", "lint")
    for path in (ROOT / package).rglob("*.py")
)


# Package -> its modules and packages in storeys, from the lowest up. What is listed
# imports, of its own package, only what is listed on lower storeys; type hints count.
STOREYS = {
    "kerasbn": (
        ("errors", "comparing", "arguments", "moving_average", "replicas"),
        ("isolation", "writing", "config_tree", "kernels"),
        ("graph", "statistics", "renorm"),
        ("archive", "layer"),
        ("live",),
        ("folding", "choosing", "combine", "recalibration"),
        ("exchange", "freezing"),
    ),
    "kerasbn.folding": (
        ("affine",),
        ("wide", "rounded"),
        ("absorb", "carry"),
        ("conditions",),
        ("routes",),
        ("plan",),
        ("apply",),
    ),
    "kerasbn.folding.absorb": (("base",), ("channels", "einsum"), ("depthwise",)),
    "kerasbn.folding.carry": (
        ("base",),
        ("terms", "space", "shape"),
        ("fixed", "joining"),
    ),
    "kerasbn.folding.routes": (
        ("ways",),
        ("case",),
        ("absorbing",),
        ("forward",),
        ("backward",),
    ),
    "lint.subjects.source": (
        ("reading",),
        ("resolving",),
        ("networks",),
        ("training",),
        ("statistics",),
        ("flags", "freezing", "tf1", "unused"),
    ),
}


def imported(source):
    """The full names of the modules that a file imports, inside functions too."""
    package = pathlib.Path(source).parent.parts
    for node in ast.walk(ast.parse((ROOT / source).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            around = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join((*around, *filter(None, [node.module])))
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("source", SOURCES)
def test_imports(source):
    names = set(imported(source))
    frameworks = {name.split(".")[0] for name in names} & FRAMEWORKS
    if source.startswith("lint/"):
        ours = {name for name in names if name.split(".")[0] == "kerasbn"}
        assert all(name.split(".")[1] in LINT_MAY_IMPORT for name in ours)
        assert frameworks <= (
            {"keras"} if source.startswith(LINT_WITH_KERAS) else set()
        )
        return
    assert not {name for name in names if name.split(".")[0] == "lint"}
    if source == "kerasbn/recalibration/eager.py":
        return  # The way past what a backend compiled is each backend's own.
    if source == "kerasbn/folding/handover/saved_model.py":
        assert frameworks == {"tensorflow"}  # What a SavedModel is made for.
        return
    if source.startswith(HAS_BACKENDS):
        assert frameworks <= {"keras", *pathlib.Path(source).with_suffix("").parts}
    elif source.startswith(MAY_IMPORT_KERAS):
        assert frameworks <= {"keras"}
    else:
        assert not frameworks


@pytest.mark.parametrize("package", STOREYS)
def test_nothing_imports_what_is_above_it(package):
    lower = set()
    for storey in STOREYS[package]:
        for name in storey:
            path = ROOT / package.replace(".", "/") / name
            files = path.rglob("*.py") if path.is_dir() else [path.with_suffix(".py")]
            found = {
                each.removeprefix(f"{package}.").split(".")[0]
                for file in files
                for each in imported(file.relative_to(ROOT))
                if each.startswith(f"{package}.")
            }
            assert found <= lower | ({name} if path.is_dir() else set()), name
        lower |= set(storey)


def test_the_drawing_shows_the_storeys():
    drawing = (ROOT / "docs/pictures/imports.svg").read_text(encoding="utf-8")
    rows = [
        set(each.split(" · ")) for each in re.findall(r">([\w ·]+)</text>", drawing)
    ]
    for storey in STOREYS["kerasbn"]:
        assert set(storey) in rows


def test_the_tree_shows_what_is_there():
    page = (ROOT / "docs/how/architecture.md").read_text(encoding="utf-8")
    (tree,) = re.findall(r"^```text\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    named = re.findall(r"[\w/]+(?:/|\.py)", tree)
    assert len(named) > 20
    for path in named:
        assert any((ROOT / each / path).exists() for each in ("", "kerasbn", "lint")), (
            path
        )


def test_an_exchange_loads_nothing_of_the_fold():
    code = (
        "import sys, kerasbn; kerasbn.upgrade, kerasbn.freeze; "
        "print([m for m in sys.modules if m.startswith('kerasbn.folding')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True
    )
    assert done.stdout.strip() == "[]", done.stderr


def test_ci_runs_the_command_of_the_readme():
    command = 'pip install -q -e ".[test]" && .venv/bin/pytest'
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (line,) = (line for line in readme.splitlines() if command in line)
    assert line in (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
