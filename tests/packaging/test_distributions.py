"""The wheel and the source distribution, built and installed alone.

These tests build and install, so they need the network and half a minute; `.ci/run`
runs them with `-m packaging`.
"""

import os
import re
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.packaging

ROOT = Path(__file__).parents[2]
MODEL = ROOT / "tests/fixtures/saved_models/keras-3.15/sequential.keras"
BAD = "import keras\n\nbn = keras.layers.BatchNormalization(momentum=0.1)\n"
# What a wheel alone brings; none of these may be among it.
FRAMEWORKS = ("keras", "tensorflow", "jax", "torch")
PYTHONS = [
    path
    for minor in (11, 12, 13, 14)
    if (path := shutil.which(f"python3.{minor}"))
    and subprocess.run([path, "-c", "import venv"], capture_output=True).returncode == 0
] or [sys.executable]


def run(*command, **options):
    done = subprocess.run(
        list(map(str, command)), capture_output=True, text=True, **options
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def distributions(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--outdir", folder, ROOT)
    (wheel,) = folder.glob("*.whl")
    (source,) = folder.glob("*.tar.gz")
    return wheel, source


def test_the_wheel_holds_the_two_packages_and_no_more(distributions):
    names = zipfile.ZipFile(distributions[0]).namelist()
    assert {name.split("/")[0].split("-")[0] for name in names} == {"kerasbn", "lint"}
    assert "kerasbn/py.typed" in names
    assert "lint/py.typed" in names


def test_links_and_pictures_of_the_description_are_addresses(distributions):
    wheel = zipfile.ZipFile(distributions[0])
    (name,) = (each for each in wheel.namelist() if each.endswith("METADATA"))
    text = wheel.read(name).decode()
    links = re.findall(r"\]\(([^)]+)\)", text)
    assert len(links) > 5
    assert all(link.startswith(("https://", "#")) for link in links), links
    for path in re.findall(r"kerasbn/(?:blob/)?main/([^)\s]+)\)", text):
        assert (ROOT / path).exists(), path


def test_the_source_distribution_can_run_its_tests(distributions):
    with tarfile.open(distributions[1]) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    for name in (
        "README.md",
        "LICENSE",
        "tests/conftest.py",
        "examples",
        "pyproject.toml",
    ):
        assert any(word.startswith(name) for word in names), name


@pytest.fixture(params=PYTHONS)
def environment(request, distributions, tmp_path):
    """The folder with the commands of an environment with the wheel alone."""
    place = tmp_path / "environment"
    if request.param == sys.executable:
        venv.create(place, with_pip=True)
    else:
        run(request.param, "-m", "venv", place)
    scripts = place / ("Scripts" if os.name == "nt" else "bin")
    run(scripts / "python", "-m", "pip", "install", "-q", distributions[0])
    return scripts


def test_an_installed_wheel_lints_and_folds_without_a_framework(environment, tmp_path):
    listed = run(environment / "python", "-m", "pip", "list", "--format=freeze")
    assert not {line.split("==")[0] for line in listed.splitlines()} & set(FRAMEWORKS)
    (tmp_path / "bad.py").write_text(BAD)
    done = subprocess.run(
        [environment / "model-lint", "bad.py", MODEL],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.count("BN201 error") == 2
    folded = tmp_path / "folded.keras"
    run(environment / "model-fold", MODEL, folded, "--no-verify")
    assert folded.stat().st_size > 0
    done = subprocess.run(
        [environment / "python", "-c", "import kerasbn; kerasbn.BatchNormalization"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert "pip install 'kerasbn[tensorflow]'" in done.stderr
