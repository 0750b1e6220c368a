"""Pages of sorted names."""

from hypothesis import given
from hypothesis import strategies as st

from wharfie.registry.storage.tags import page


@given(st.sets(st.text("abc01", min_size=1, max_size=4)), st.integers(1, 5))
def test_pages_are_the_whole_in_order(names: set[str], size: int) -> None:
    listed = sorted(names)
    found: list[str] = []
    last, more = "", True
    while more:
        part, more = page(listed, last, size)
        assert len(part) <= size
        found += part
        last = part[-1] if part else last
    assert found == listed


def test_a_page_begins_behind_last_whether_it_is_there_or_not() -> None:
    names = ["a", "b", "d"]
    assert page(names, "b", 5) == (["d"], False)
    assert page(names, "c", 5) == (["d"], False)
    assert page(names, "z", 5) == ([], False)
    assert page(names, "", 0) == ([], True)
