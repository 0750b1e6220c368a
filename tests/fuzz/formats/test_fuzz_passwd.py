import contextlib

from hypothesis import given
from hypothesis import strategies as st

from wharfie.formats.passwd import MAX_ID, LookupFailed, parse_group, parse_passwd, resolve

LINES = st.binary(max_size=400) | st.lists(st.text("ab01:,#\n -٣", max_size=30), max_size=8).map(
    lambda lines: "\n".join(lines).encode()
)


@given(LINES, LINES, st.text("ab01:٣-+", max_size=12))
def test_hostile_files_give_bounded_numbers_or_a_refusal(
    passwd: bytes, group: bytes, user: str
) -> None:
    with contextlib.suppress(LookupFailed):
        found = resolve(user, passwd, group)
        assert all(0 <= number <= MAX_ID for number in (found.uid, found.gid, *found.groups))


@given(LINES)
def test_parsers_take_anything(data: bytes) -> None:
    list(parse_passwd(data))
    list(parse_group(data))
