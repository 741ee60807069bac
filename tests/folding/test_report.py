"""What is said of a fold: the picture, the sizes, the terminal, the notebook."""

from __future__ import annotations

import dataclasses
import html.parser
import io
import json
import math
import subprocess
import sys
from contextlib import redirect_stdout
from itertools import pairwise
from xml.etree import ElementTree

import h5py
import keras
import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

import kerasbn
from kerasbn import FoldResult, UnusableFileError
from kerasbn.archive.hdf5 import shapes
from kerasbn.cli import main
from kerasbn.folding.picture import Network, draw
from kerasbn.folding.picture.layout import BOX_HEIGHT, lay_out
from kerasbn.folding.picture.network import Box
from kerasbn.folding.terminal import print_result

from .models import L, randomise

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = "<script>alert(1)&amp;\"'"
WIDTH = 100


@pytest.fixture
def saved(tmp_path):
    """One BN that folds backward, one forward, one that stays; two nested calls."""
    inner = keras.Sequential(
        [keras.Input((4,)), L.Dense(4, name="dense"), L.ReLU(name="relu")], name="inner"
    )
    x = inputs = keras.Input((4,), name="input")
    x = L.Dense(4, use_bias=False, name=HOSTILE)(x)
    x = L.BatchNormalization(name="backward")(x)
    x = L.ReLU()(x)
    x = L.BatchNormalization(name="kept")(x)
    x = L.Activation("tanh", name="tanh")(x)
    x = L.Dropout(0.5)(x)
    x = inner(inner(x))
    x = L.BatchNormalization(name="forward")(x)
    model = keras.Model(inputs, L.Dense(2, name="last")(x))
    path = tmp_path / "in.keras"
    randomise(model).save(path)
    return path


@pytest.fixture
def result(saved, tmp_path):
    return kerasbn.fold_file(saved, tmp_path / "out.keras", verify=False)


def run(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


# The picture.


def titles_by_colour(svg):
    """Fill -> the tooltips of the boxes that have it."""
    root = ElementTree.fromstring(svg)
    return {
        group.get("fill"): [title.text for title in group.findall(f"{SVG}g/{SVG}title")]
        for group in root.findall(f"{SVG}g/{SVG}g")
        if group.get("fill") != "none"
    }


def test_every_bn_has_its_colour_and_its_fate(result):
    titles = titles_by_colour(result.picture())
    assert titles.pop("#d9ebf7") == [
        f"BatchNormalization backward\nfolded backward into {HOSTILE}"
    ]
    assert titles.pop("#d5f0e7") == [
        "BatchNormalization forward\nfolded forward into last"
    ]
    (kept,) = titles.pop("#b84a00")
    assert kept.startswith("BatchNormalization kept\nkept: reads ReLU `re_lu")
    assert titles.pop("#fff3cf") == [
        f"Dense {HOSTILE}\nabsorbs backward",
        "Dense last\nabsorbs forward\nan output of the model",
    ]
    (others,) = titles.values()
    assert "Dense inner/dense\ncall 2 of 2" in others
    assert sorted(title.split()[0] for title in others) == [
        *("Activation", "Dense", "Dense", "Dropout", "InputLayer"),
        *("ReLU", "ReLU", "ReLU"),
    ]


def test_names_are_only_text(result):
    root = ElementTree.fromstring(result.picture())
    assert {element.tag.removeprefix(SVG) for element in root.iter()} == {
        *("svg", "title", "rect", "text", "g", "path")
    }
    assert HOSTILE in [element.text for element in root.iter(f"{SVG}text")]


def test_what_xml_does_not_take_is_replaced():
    odd = "a\x00b\x1f\ufffe\ud800]]>"
    box = Box(odd, odd, "kept", (odd,), ())
    root = ElementTree.fromstring(draw(Network(odd, (box,), 0), odd))
    assert "a\ufffdb\ufffd\ufffd\ufffd]]>" in [e.text for e in root.iter(f"{SVG}text")]


def test_large_networks_are_cut_and_say_so(tmp_path):
    x = inputs = keras.Input((2,))
    x = L.BatchNormalization()(L.Dense(2)(x))
    block = keras.Sequential([keras.Input((2,)), *(L.ReLU() for _ in range(70))])
    for _ in range(60):
        x = block(x)
    keras.Model(inputs, x).save(tmp_path / "in.keras")
    result = kerasbn.fold_file(
        tmp_path / "in.keras", tmp_path / "out.keras", dry_run=True
    )
    picture = result.picture()
    assert sum(map(len, titles_by_colour(picture).values())) == 4000
    assert "203 more layer calls are not drawn." in picture
    assert len(picture) < 2e6


def test_the_picture_is_always_the_same_and_written_whole(result, tmp_path):
    path = tmp_path / "network.svg"
    result.save_picture(path)
    assert path.read_text(encoding="utf-8") == result.picture() == result.picture()
    with pytest.raises(UnusableFileError, match=r"must end in \.svg"):
        result.save_picture(tmp_path / "network.png")
    with pytest.raises(UnusableFileError, match="cannot be written"):
        result.save_picture(tmp_path / "missing" / "network.svg")
    assert sorted(each.name for each in tmp_path.iterdir()) == [
        *("in.keras", "network.svg", "out.keras")
    ]


def test_live_models_have_one_too(saved):
    result = kerasbn.fold_batch_norm(keras.models.load_model(saved), verify=False)
    assert "folded forward into last" in result.picture()
    assert result.before.parameters == result.after.parameters + 2 * 16 - 4
    assert result.before.file_bytes is None


@st.composite
def networks(draw_from):
    """Boxes that read some of those before them, mostly near ones."""
    boxes = []
    for number in range(draw_from(st.integers(1, 40))):
        reads = st.lists(st.integers(1, 9) | st.integers(1, 40), max_size=4)
        steps = draw_from(reads) if number else []
        sources = {number - step for step in steps if step <= number}
        boxes.append(Box(str(number), "Dense", "other", (), tuple(sorted(sources))))
    return boxes


@settings(max_examples=150, deadline=None)
@given(networks())
def test_lines_lead_from_box_to_box_and_past_the_others(boxes):
    layout = lay_out(boxes, WIDTH)
    corners = layout.boxes
    assert len(set(corners)) == len(boxes)
    for x, y in corners:
        assert 0 <= x <= layout.width - WIDTH
        assert 0 <= y <= layout.height - BOX_HEIGHT
    stretches = [pair for line in layout.lines for pair in pairwise(line)]
    for (x1, y1), (x2, y2) in stretches:
        assert x1 == x2 or y1 == y2
        for x, y in corners:
            across = min(x1, x2) < x + WIDTH and max(x1, x2) > x
            assert not (across and min(y1, y2) < y + BOX_HEIGHT and max(y1, y2) > y)
    joined = connections(stretches)
    for number, box in enumerate(boxes):
        x, y = corners[number]
        for source in box.reads:
            start = corners[source][0] + WIDTH / 2, corners[source][1] + BOX_HEIGHT
            assert reaches(joined, start, (x + WIDTH / 2, y))


def connections(stretches):
    """Stretch -> those that begin on it, or go on where it ends."""
    return {
        one: [
            other
            for other in stretches
            if other != one and (touches(one, other[0]) or touches(other, one[1]))
        ]
        for one in stretches
    }


def touches(stretch, point):
    (x1, y1), (x2, y2), (x, y) = *stretch, point
    return (
        min(x1, x2) <= x <= max(x1, x2)
        and min(y1, y2) <= y <= max(y1, y2)
        and (math.isclose(x1, x2) or math.isclose(y1, y2))
    )


def reaches(joined, start, goal):
    pending = [branch for branch in joined if branch[0] == start]
    seen = set(pending)
    while pending:
        here = pending.pop()
        if here[1] == goal:
            return True
        new = set(joined[here]) - seen
        seen |= new
        pending += new
    return False


# The command.


@pytest.mark.parametrize("dry", [True, False])
def test_the_command_draws(saved, tmp_path, dry):
    picture = tmp_path / "network.svg"
    options = ["--dry-run"] if dry else []
    done = run(saved, tmp_path / "out.keras", "--picture", picture, *options)
    assert done.exit_code == 0, done.output
    assert f"Picture: {picture}" in done.output
    assert ElementTree.parse(picture).getroot().tag == f"{SVG}svg"
    assert (tmp_path / "out.keras").exists() is not dry


@pytest.mark.parametrize("name", ["missing/network.svg", "in.keras", "network.png"])
def test_unusable_pictures_leave_nothing(saved, tmp_path, name):
    before = saved.read_bytes()
    done = run(saved, tmp_path / "o.keras", "--picture", tmp_path / name, "--json")
    assert done.exit_code == 2
    assert len(done.stderr.splitlines()) == 1
    assert json.loads(done.stdout)["folded"] == []
    assert [path.name for path in tmp_path.iterdir()] == ["in.keras"]
    assert saved.read_bytes() == before


def test_no_model_no_picture(tmp_path):
    done = run(
        tmp_path / "no.keras", tmp_path / "o.keras", "--picture", tmp_path / "p.svg"
    )
    assert done.exit_code == 2
    assert list(tmp_path.iterdir()) == []


def test_pictures_and_sizes_load_no_framework(saved, tmp_path):
    arguments = [str(saved), str(tmp_path / "out.keras"), "--no-verify"]
    arguments += ["--picture", str(tmp_path / "network.svg")]
    code = (
        "import sys; from kerasbn.cli import main;"
        f"main({arguments}, standalone_mode=False);"
        "import kerasbn;"
        f"r = kerasbn.fold_file({str(saved)!r}, 'o.keras', dry_run=True);"
        "r._repr_html_(); print(r.before, r.after);"
        "print({'keras', 'tensorflow', 'jax', 'torch'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "set()"


@pytest.mark.parametrize(
    "arguments", [["in.keras"], [], ["in.keras", "out.keras", "--unknown"], ["--force"]]
)
def test_json_is_printed_on_unusable_arguments_too(arguments):
    done = run(*arguments, "--json")
    assert done.exit_code == 2
    assert done.stderr.startswith("Usage: ")
    result = json.loads(done.stdout)
    assert result.pop("message") in done.stderr
    assert result == {
        "source": None,
        "destination": None,
        "batch_norms": 0,
        "folded": [],
        "kept": [],
        "verified": None,
        "error": {"float64": None, "float32": None},
        "proof": None,
        "not_run": [],
        "notes": [],
        "before": None,
        "after": None,
        "export": None,
    }
    without = run(*arguments)
    assert (without.exit_code, without.stdout) == (2, "")


def test_nothing_folded_and_nothing_run_is_not_verified(tmp_path):
    model = keras.Sequential([keras.Input((3,)), L.ReLU(), L.BatchNormalization()])
    model.add(L.Lambda(lambda x: x * x))  # Keras does not load it unasked.
    model.save(tmp_path / "in.keras")
    done = run(tmp_path / "in.keras", tmp_path / "out.keras")
    assert done.exit_code == 0, done.output
    said = " ".join(done.output.split())
    assert "0 of 1 BN layers folded." in said
    assert "Note: nothing was folded, and nothing verified: `lambda" in said
    assert "Verified" not in said
    assert "--no-verify" not in said


# The sizes.


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_sizes(tmp_path, suffix):
    """Against Keras' own count; the state of Adam is no weight."""
    x = inputs = keras.Input((8, 8, 3))
    x = L.RandomFlip()(x)
    x = L.Conv2D(4, 3, use_bias=False)(x)
    x = L.BatchNormalization()(x)
    x = L.ReLU()(x)
    x = L.Dropout(0.5)(x)
    x = L.SeparableConv2D(5, 3)(x)
    x = L.BatchNormalization(center=False)(x)
    x = L.Flatten()(x)
    if suffix == ".keras":  # A legacy file does not say where a cell's weights belong.
        x = L.LSTM(6)(L.Reshape((16, 5))(x))
    x = L.Dense(2)(x)
    x = L.BatchNormalization()(x)  # An output: it becomes Identity.
    model = keras.Model(inputs, x)
    model.compile("adam", "mse", metrics=["mae"])
    model.optimizer.build(model.trainable_variables)
    source, destination = tmp_path / f"in{suffix}", tmp_path / "out.keras"
    model.save(source)

    planned = kerasbn.fold_file(source, destination, dry_run=True)
    result = kerasbn.fold_file(source, destination, verify=False)

    folded = keras.models.load_model(destination)
    assert len(result.folded) == 3
    assert result.before.layers == len(model.layers)
    assert result.before.parameters == model.count_params()
    assert result.before.file_bytes == source.stat().st_size
    assert result.after.layers == len(folded.layers) == len(model.layers) - 2
    assert result.after.parameters == folded.count_params()
    assert result.after.file_bytes == destination.stat().st_size
    assert planned.before == result.before
    assert planned.after == result.after._replace(file_bytes=None)


def test_shapes_are_told_of_real_depths_only():
    with h5py.File(io.BytesIO(), "w") as file:
        file["vars/0"] = np.zeros((2, 3))
        file["again"] = h5py.SoftLink("/vars/0")
        assert shapes(file.id) == {"vars/0": (2, 3)}
        file.create_group("/".join("a" * 300))
        with pytest.raises(UnusableFileError, match="nested more than"):
            shapes(file.id)


def test_layers_of_nested_models_count(result):
    """Nine and the two inside the nested one with its input, which itself is none."""
    assert result.before.layers == 12
    assert result.after.layers == 10


def test_the_command_tells_the_sizes(saved, tmp_path):
    done = run(saved, tmp_path / "out.keras", "--no-verify")
    lines = [line.split() for line in done.stdout.splitlines()]
    kilobytes = f"{saved.stat().st_size / 1000:.1f}"
    assert ["layers", "parameters", "file"] in lines
    parameters = keras.models.load_model(saved).count_params()
    assert ["before", "12", str(parameters), kilobytes, "kB"] in lines


# Many BN.


def many(kept, folded):
    result = FoldResult(None, None)
    for number in range(folded):
        into = [f"conv_{number}"]
        result.folded.append(
            {"layer": f"bn_{number}", "into": into, "route": "backward"}
        )
    for number in range(kept):
        reason = f"`concat_{number}` is read 2 times, by `a_{number}`, `b`"
        result.kept.append({"layer": f"kept_{number}", "reason": reason})
    result.kept.append({"layer": "odd", "reason": "is never called"})
    return result


def printed(result):
    output = io.StringIO()
    with redirect_stdout(output):
        print_result(result, dry_run=True, verify=True, picture=None)
    return output.getvalue()


def test_many_alike_stay_readable():
    text = printed(many(kept=250, folded=250))
    assert len(text.splitlines()) < 20
    assert "... 247 more  folded likewise" in text
    assert "... 247 more  kept for similar reasons" in text
    assert "kept_2" in text
    assert "kept_3" not in text
    assert "is never called" in text
    assert "250 of 501 BN layers would be folded." in text


def test_few_are_all_there():
    text = printed(many(kept=5, folded=5))
    assert all(f"bn_{n} " in text and f"kept_{n} " in text for n in range(5))
    assert "more" not in text


def test_the_text_stays_short():
    text = str(many(kept=250, folded=250))
    assert text.splitlines()[0] == "250 of 501 BN layers folded"
    assert len(text.splitlines()) < 8
    assert "247 more for similar reasons" in text
    assert "is never called" in text


# In a notebook.


class Page(html.parser.HTMLParser):
    """The tags of some HTML that are left open, those seen, and its text."""

    def __init__(self, text):
        super().__init__()
        self.open, self.seen, self.text = [], set(), ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        self.seen.add(tag)

    def handle_startendtag(self, tag, attrs):
        self.seen.add(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def test_the_notebook_shows_it_all(result):
    page = Page(result._repr_html_())
    assert not page.open
    assert "script" not in page.seen
    assert {"svg", "table", "details"} <= page.seen
    assert "2 of 3 BN layers folded" in page.text
    assert f"backward{HOSTILE}" in page.text  # Two cells: the route, and into what.
    assert result.kept[0]["reason"] in page.text
    assert f"{result.after.parameters:,}" in page.text


def test_the_notebook_leaves_out_large_pictures(result):
    boxes = tuple(Box(f"l{n}", "Dense", "other", (), ()) for n in range(1000))
    result = dataclasses.replace(result, network=Network("large", boxes, 0))
    page = Page(result._repr_html_())
    assert "svg" not in page.seen
    assert "result.save_picture" in page.text
