"""Rules, names and options have their pages, where reports and readers look."""

import json
import re
from pathlib import Path

import gallery_pages
import help_texts
import pytest
import rule_pages

import kerasbn
import lint
from lint.reference import print_json
from lint.rules import all_rules
from lint.urls import project_url

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
HOW = sorted((DOCS / "how").glob("*.md"))


class TestRules:
    def test_each_has_a_page_at_the_address_that_reports_name(self, capsys):
        print_json(all_rules())
        pages = rule_pages.pages()
        for rule in json.loads(capsys.readouterr().out):
            base, _, name = rule["url"].rstrip("/").rpartition("/rules/")
            assert base == project_url("Documentation").rstrip("/")
            assert pages.pop(f"{name}.md").startswith(f"# {rule['code']} ")
        assert list(pages) == ["index.md"]

    def test_a_page_has_all_that_the_rule_says(self):
        page = rule_pages.pages()["bn101.md"]
        for text in ("## Why is this bad", "## Bad", "## Good", "def call(self, x):"):
            assert text in page
        assert re.search(r"^- <https://keras.io/\S+>$", page, re.MULTILINE)

    def test_the_index_leads_to_all_of_them(self):
        pages = rule_pages.pages()
        linked = re.findall(r"\]\((bn\d+\.md)\)", pages.pop("index.md"))
        assert linked == sorted(pages)


@pytest.mark.parametrize(
    "package", [kerasbn, lint], ids=lambda package: package.__name__
)
def test_each_public_name_is_in_the_reference(package):
    text = (DOCS / "api" / f"{package.__name__}.md").read_text("utf-8")
    documented = re.findall(r"^\.\. auto\w+:: (\w+)$", text, re.MULTILINE)
    assert sorted(documented) == sorted(package.__all__)


class TestGallery:
    @pytest.fixture
    def scripts(self, tmp_path):
        folder = tmp_path / "gallery"
        folder.mkdir()
        (folder / "common").mkdir()
        (folder / "common" / "__init__.py").write_text(
            '"""What the scripts share."""\n'
        )
        return folder

    def script(self, scripts, name, text='"""Does it help?\n\nIt does.\n"""\n'):
        (scripts / f"{name}.py").write_text(f"{text}def draw(results): ...\n")
        for end in ("txt", "png"):
            (scripts / f"{name}.{end}").touch()

    def test_may_be_empty(self, scripts, tmp_path):
        assert list(gallery_pages.pages(scripts, scripts)) == ["index.md"]
        assert list(gallery_pages.pages(tmp_path / "none", scripts)) == ["index.md"]

    def test_has_a_page_for_each_script_and_a_card_on_the_index(self, scripts):
        self.script(scripts, "why")
        self.script(scripts, "momentum", '"""Momentum, measured."""\n')
        pages = gallery_pages.pages(scripts, scripts)
        assert sorted(pages) == ["index.md", "momentum.md", "why.md"]
        assert pages["why.md"].startswith("# Does it help?\n\nIt does.\n")
        assert pages["momentum.md"].startswith("# Momentum, measured\n")
        for shown in ("(why.png)", "} why.txt", "examples/gallery/why.py\n"):
            assert shown in pages["why.md"]
        assert re.findall(r":link: (\w+)", pages["index.md"]) == ["momentum", "why"]

    def test_is_in_the_order_of_its_list(self, scripts):
        (scripts / "all.py").write_text('SCRIPTS = ["why", "none", "by_hand"]\n')
        for name in ("again", "by_hand", "why", "zoo"):
            self.script(scripts, name)
        pages = gallery_pages.pages(scripts, scripts)
        shown = re.findall(r":link: (\w+)", pages["index.md"])
        assert shown == ["why", "by_hand", "again", "zoo"]

    def test_wants_the_output_of_each_script(self, scripts):
        self.script(scripts, "why")
        (scripts / "why.png").unlink()
        with pytest.raises(FileNotFoundError, match=r"why\.py is shown .*why\.png"):
            gallery_pages.pages(scripts, scripts)

    def test_wants_a_docstring(self, scripts):
        self.script(scripts, "why", "")
        with pytest.raises(ValueError, match=r"docstring.*why\.py"):
            gallery_pages.pages(scripts, scripts)

    def test_of_the_repository_is_complete(self):
        scripts = ROOT / "examples" / "gallery"
        pages = gallery_pages.pages(scripts, DOCS / "gallery")
        found = {path.stem for path in (DOCS / "gallery").glob("*.txt")}
        assert {name.removesuffix(".md") for name in pages} - {"index"} == found


def test_the_help_of_each_command_is_shown():
    page = (DOCS / "commands.md").read_text("utf-8")
    shown = re.findall(r"generated/([\w-]+\.txt)", page)
    texts = help_texts.texts()
    assert sorted(shown) == sorted(texts)
    assert "--no-verify" in texts["model-fold.txt"]
    assert "--data FILE.npz" in texts["model-lint-diagnose.txt"]


def test_the_start_has_the_two_commands_of_the_readme():
    readme = (ROOT / "README.md").read_text("utf-8")
    commands = re.findall(r"^python3 -m venv .*$", readme, re.MULTILINE)
    assert len(commands) == 2
    start = (DOCS / "start.md").read_text("utf-8").splitlines()
    assert set(commands) <= set(start)


@pytest.mark.parametrize("place", [".ci/run", ".github/workflows/ci.yml"])
def test_ci_builds_the_site(place):
    assert "docs/build.py" in (ROOT / place).read_text("utf-8")


@pytest.mark.parametrize(
    "page", ["CONTRIBUTING.md", *(f"docs/how/{page.name}" for page in HOW)]
)
def test_what_pages_say_is_somewhere_is_there(page):
    text = (ROOT / page).read_text("utf-8")
    named = re.findall(r"`((?:docs|examples|kerasbn|lint|tests)/[\w./]*)`", text)
    generated = {"docs/rules/", "docs/generated/", "docs/_build/html"}
    for path in {path for path in named if "NAME" not in path} - generated:
        assert (ROOT / path).exists() or (ROOT / f"{path}.py").exists(), path
