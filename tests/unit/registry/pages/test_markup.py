"""Markup: nothing gets out of where it was put."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wharfie.registry.pages.markup import Markup, element, joined, table


class Reader(HTMLParser):
    """Collects elements, attributes and text."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.names: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.text += data


@given(st.text(alphabet=st.characters(exclude_categories=["C", "Z"]), max_size=40))
def test_text_stays_text(word: str) -> None:
    read = Reader(element("p", word, title=word))
    assert read.names == ["p"]
    assert read.attributes == [("title", word)]
    assert read.text.split() == word.split()


@given(st.text(max_size=40))
def test_any_text_can_be_sent(word: str) -> None:
    read = Reader(element("pre", word))
    assert read.names == ["pre"]
    assert element("pre", word).encode()


@pytest.mark.parametrize(
    "path", ["javascript:x", "//evil.example", "http://evil", "", "x", "/\\evil", "data:x"]
)
def test_links_stay_here(path: str) -> None:
    with pytest.raises(ValueError, match="not a path"):
        element("a", "x", href=path)
    assert 'href="/x"' in element("a", "x", href="/x")


def test_what_changes_its_surroundings_is_made_visible() -> None:
    assert element("p", "a\u202eb\x1b\ud800") == "<p>a\\u202eb\\u001b\\ud800</p>"


def test_elements_are_put_in_as_they_are() -> None:
    inner = element("b", "<")
    assert element("p", inner, "<") == "<p><b>&lt;</b>&lt;</p>"
    assert isinstance(joined(inner), Markup)
    # What was added to with other text is text again.
    assert element("p", inner + "<i>") == "<p>&lt;b&gt;&amp;lt;&lt;/b&gt;&lt;i&gt;</p>"
    assert table(("<",), [("&", inner)]).count("<td>") == 2
