"""Links of the built site that lead nowhere, and what it would fetch, are found."""

import pytest
from checking import lost_addresses, problems_of


@pytest.fixture
def site(tmp_path):
    def write(first, second='<h2 id="there">There</h2>'):
        (tmp_path / "guides").mkdir()
        (tmp_path / "picture.png").touch()
        (tmp_path / "index.html").write_text(first)
        (tmp_path / "guides" / "index.html").write_text(second)
        return list(problems_of(tmp_path))

    return write


@pytest.mark.parametrize(
    "text",
    [
        '<a href="guides/">',
        '<a href="guides/#there">',
        '<a id="top"></a><a href="#top">',
        '<a href="guides/?highlight=x#there">',
        '<a href="https://keras.io/nothing">',
        '<img src="picture.png">',
        '<img src="data:image/png;base64,AA==">',
    ],
)
def test_what_is_right(site, text):
    assert site(text) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('<a href="nowhere/">', "index.html: the link leads nowhere: nowhere/"),
        ('<a href="guides/#gone">', "index.html: the link leads nowhere: guides/#gone"),
        ('<a href="#gone">', "index.html: the link leads nowhere: #gone"),
        ('<img src="gone.png">', "index.html: is not there: gone.png"),
        (
            '<script src="https://cdn.example/x.js"></script>',
            "index.html: is fetched from elsewhere: https://cdn.example/x.js",
        ),
        (
            '<link rel="stylesheet" href="//fonts.example/x.css">',
            "index.html: is fetched from elsewhere: //fonts.example/x.css",
        ),
    ],
)
def test_what_is_wrong(site, text, expected):
    assert site(text) == [expected]


def test_links_are_taken_from_the_folder_of_their_page(site):
    assert site("", '<a href="../">') == []


def test_addresses_of_the_site_need_a_page(site, tmp_path):
    site("")
    base = "https://example.org/en/latest/"
    named = [f"{base}guides/", base, f"{base}rules/bn999/"]
    assert list(lost_addresses(tmp_path, base, named)) == [
        "has no page: https://example.org/en/latest/rules/bn999/"
    ]
