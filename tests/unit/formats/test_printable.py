import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from wharfie.formats.printable import make_printable


def test_what_steers_a_terminal_is_spelled_out() -> None:
    assert make_printable("a\x1b[2Jb\x9b1m\u202egpj.exe\nc\td") == (
        "a\\u001b[2Jb\\u009b1m\\u202egpj.exe\\u000ac\\u0009d"
    )
    assert make_printable("a\n\tb\x1b", keep="\n\t") == "a\n\tb\\u001b"


def test_other_text_stays() -> None:
    for text in ("plain", "Grüße, 世界 🚢", "\u00a0"):
        assert make_printable(text) == text


@given(st.text())
def test_nothing_that_is_obeyed_is_left(text: str) -> None:
    shown = make_printable(text)
    assert not any(unicodedata.category(c) == "Cc" for c in shown)
    bidirectional = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
    assert not any(unicodedata.bidirectional(c) in bidirectional for c in shown)
