import pytest

from wharfie.formats.dockerfile.problem import DockerfileProblem
from wharfie.formats.dockerfile.words import MAX_WORDS, split_blanks, split_words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a b  c", ["a", "b", "c"]),
        ("a=\"b c\" d='e f'", ['a="b c"', "d='e f'"]),
        ("a\\ b c", ["a\\ b", "c"]),
        ('a="x\\" y" z', ['a="x\\" y"', "z"]),
        ("a='x\\' y", ["a='x\\'", "y"]),
        ('""', ['""']),
        ('a "open b', ["a", '"open b']),
        ("a \\", ["a"]),
        ("", []),
    ],
)
def test_quotes_and_escapes_hold_words_together(text: str, words: list[str]) -> None:
    assert split_words(text, "\\") == words


def test_another_escape_character() -> None:
    assert split_words("a` b\\ c", "`") == ["a` b\\", "c"]


def test_blanks_know_no_quotes() -> None:
    assert split_blanks('a "b c"\td') == ["a", '"b', 'c"', "d"]


def test_words_are_bounded() -> None:
    with pytest.raises(DockerfileProblem):
        split_words("a " * (MAX_WORDS + 1), "\\")
    with pytest.raises(DockerfileProblem):
        split_blanks("a " * (MAX_WORDS + 1))
