import pytest

from wharfie.formats.pathmatch import InvalidPattern, compile_pattern


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("abc", "abc", True),
        ("*", "abc", True),
        ("*c", "abc", True),
        ("a*", "a", True),
        ("a*", "ab/c", False),
        ("a*/b", "abc/b", True),
        ("a*b*c*d*e*/f", "axbxcxdxe/f", True),
        ("a*b?c*x", "abxbbxdbxebxczzx", True),
        ("a*b?c*x", "abxbbxdbxebxczzy", False),
        ("ab[c]", "abc", True),
        ("ab[b-d]", "abc", True),
        ("ab[^c]", "abc", False),
        ("ab[^e-g]", "abc", True),
        ("a\\*b", "a*b", True),
        ("a?b", "a/b", False),
        ("a[^x]b", "a/b", False),
        ("[\\]a]", "]", True),
        ("[\\-x]", "-", True),
        ("**", "abc", True),
        ("", "", True),
        ("", "a", False),
        ("abc", "ab", False),
    ],
)
def test_as_in_go(pattern: str, text: str, expected: bool) -> None:
    assert compile_pattern(pattern)(text) is expected


@pytest.mark.parametrize("pattern", ["[", "[a", "[]a]", "[-]", "[x-]", "[-x]", "a\\", "[^", "[a-"])
def test_malformed(pattern: str) -> None:
    with pytest.raises(InvalidPattern):
        compile_pattern(pattern)


def test_many_stars_take_no_time() -> None:
    assert not compile_pattern("*a" * 200 + "b")("a" * 2000)
