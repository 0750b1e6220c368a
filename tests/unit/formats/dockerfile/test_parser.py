import pytest

from wharfie.formats.dockerfile.parser import (
    MAX_LINE,
    MAX_STATEMENTS,
    parse_dockerfile,
    parse_statement,
    split_flags,
)
from wharfie.formats.dockerfile.problem import DockerfileProblem


def texts(source: str) -> list[str]:
    return [statement.text for statement in parse_dockerfile(source.encode()).statements]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("FROM a\nRUN b\n", ["FROM a", "RUN b"]),
        ("\n\n  FROM a  \n\tRUN b", ["FROM a  ", "RUN b"]),
        ("# c\nFROM a\n # d\nRUN b # kept", ["FROM a", "RUN b # kept"]),
        ("RUN a \\\n b", ["RUN a  b"]),
        ("RUN a \\ \t\n b", ["RUN a  b"]),
        ("RUN a\\\nb", ["RUN ab"]),
        ("RUN a \\\n# gone\n  # gone\n\n b \\\n c", ["RUN a  b  c"]),
        ("RUN a \\\\\nRUN b", ["RUN a \\\\", "RUN b"]),
        ("RUN a \\", ["RUN a "]),
        ("\\\nRUN a", ["RUN a"]),
        ("# escape=`\nRUN a `\n b\nRUN c \\\nRUN d", ["RUN a  b", "RUN c \\", "RUN d"]),
        ("RUN a\r\nRUN b \\\r\n c\r\n", ["RUN a", "RUN b  c"]),
    ],
)
def test_lines_are_joined_and_comments_dropped(source: str, expected: list[str]) -> None:
    assert texts(source) == expected


def test_a_byte_order_mark_is_no_text() -> None:
    (statement,) = parse_dockerfile(b"\xef\xbb\xbfFROM a").statements
    assert statement.name == "FROM"


def test_a_statement_knows_its_place_and_its_comments() -> None:
    source = "# about a\nFROM a\n\n# lost\n\n  RUN x \\\n\n   y\n"
    first, second = parse_dockerfile(source.encode()).statements
    assert (first.start, first.end, first.comments) == (2, 2, ["about a"])
    assert (second.start, second.end, second.comments) == (6, 8, [])
    assert (second.start_column, second.end_column) == (2, 4)
    assert second.empty_lines == [7]


def test_flags_and_rest_are_told_apart() -> None:
    (statement,) = parse_dockerfile(b'RUN --mount=type=cache,target="/a b" --x -- --y z').statements
    assert statement.flags == ["--mount=type=cache,target=/a b", "--x"]
    assert statement.rest == "--y z"


@pytest.mark.parametrize(
    ("text", "flags", "rest"),
    [
        ("--a=b c", ["--a=b"], "c"),
        ("c --a=b", [], "c --a=b"),
        ("--a='x y'z w", ["--a=x yz"], "w"),
        ("--a=x\\ y w", ["--a=x y"], "w"),
        ("--a", ["--a"], ""),
        ("-a b", [], "-a b"),
        ("--a=\\", ["--a="], ""),
    ],
)
def test_flags(text: str, flags: list[str], rest: str) -> None:
    assert split_flags(text, "\\") == (flags, rest)


def test_heredocs_take_the_lines_up_to_their_names() -> None:
    source = "RUN <<A cat <<-'B'\n1\n\\\n# x\nA\n\t2\n\tB\nRUN y\n"
    first, second = parse_dockerfile(source.encode()).statements
    assert [heredoc.content for heredoc in first.heredocs] == ["1\n\\\n# x\n", "\t2\n"]
    assert [heredoc.text for heredoc in first.heredocs] == ["1\n\\\n# x\n", "2\n"]
    assert [heredoc.is_expanded for heredoc in first.heredocs] == [True, False]
    assert (first.start, first.end, second.start) == (1, 7, 8)


@pytest.mark.parametrize(
    "source",
    ["CMD <<A\nENV a=1\n", 'RUN ["<<A"]\nENV a=1\n', "RUN a<<A\nENV a=1\n", "RUN <<<A\nENV a=1\n"],
)
def test_not_everything_with_brackets_is_a_heredoc(source: str) -> None:
    assert len(parse_dockerfile(source.encode()).statements) == 2


def test_onbuild_takes_heredocs_of_its_trigger() -> None:
    (statement,) = parse_dockerfile(b"ONBUILD RUN <<A\n1\nA\n").statements
    assert statement.heredocs[0].content == "1\n"


@pytest.mark.parametrize(
    ("source", "message", "line"),
    [
        ("", "file with no instructions", 0),
        ("# x\n\n", "file with no instructions", 2),
        ("FROM a\nRUN <<A\nx\n", "unterminated heredoc", 2),
        ("FROM a\n#" + "x" * MAX_LINE, "dockerfile line greater than maximum", 2),
        ("RUN a\n" * (MAX_STATEMENTS + 1), "more than 4096 instructions", 4097),
        ("# escape=x\n", "invalid escape token 'x' does not match ` or \\\\", 1),
        ("# escape=`\n# escape=`\n", "only one escape parser directive can be used", 2),
        ("RUN " + "<<A " * 101, "more than 100 heredocs", 1),
    ],
)
def test_what_is_refused_says_where(source: str, message: str, line: int) -> None:
    with pytest.raises(DockerfileProblem, match=message) as caught:
        parse_dockerfile(source.encode())
    assert caught.value.start == line


def test_one_statement_is_read_alone() -> None:
    assert parse_statement("RUN <<A\n1\nA").heredocs[0].content == "1\n"
    with pytest.raises(DockerfileProblem):
        parse_statement("RUN a\nRUN b")
    with pytest.raises(DockerfileProblem):
        parse_statement("")
