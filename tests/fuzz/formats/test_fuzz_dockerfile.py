"""Dockerfiles, variables and ignore files of strangers: never a crash, never an endless loop."""

import fnmatch
import re
from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st

from wharfie.formats.dockerfile.expansion import MAX_RESULT, Keep, expand
from wharfie.formats.dockerfile.ignore import (
    IgnorePatterns,
    InvalidIgnoreFile,
    _Automaton,
    _tokens,
    read_ignore_file,
)
from wharfie.formats.dockerfile.mounts import parse_mount
from wharfie.formats.dockerfile.parser import parse_dockerfile
from wharfie.formats.dockerfile.problem import DockerfileProblem
from wharfie.formats.dockerfile.reading import read_instruction
from wharfie.formats.dockerfile.shell_pattern import replace, trim_prefix, trim_suffix
from wharfie.formats.dockerfile.words import split_words

PIECES = st.sampled_from(
    [
        "FROM a", "RUN", "COPY", "ADD", "ENV", "ARG", "LABEL", "CMD", "HEALTHCHECK", "ONBUILD",
        "EXPOSE", "VOLUME", "SHELL", "--from=x", "--mount=type=bind,", "--link", "\\", "\n", "\r\n",
        " ", "\t", "#", "# escape=`\n", "# syntax=a\n", "<<EOF", "<<-'E'", "EOF\n", '["', '"]', "$",
        "${", "}", ":-", "%%", "//", '"', "'", "a", "=", "é", "\x00", "\ufeff", "[1]", "CMD x", "`",
    ]
)  # fmt: skip
TEXTS = st.lists(PIECES | st.text(max_size=4), max_size=30).map("".join)
VALUES = st.dictionaries(st.sampled_from(["a", "b", "ab"]), st.text(max_size=20), max_size=3)


@given(TEXTS | st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(DockerfileProblem):
        file = parse_dockerfile(text.encode(errors="replace"))
        for statement in file.statements:
            assert 0 < statement.start <= statement.end <= len(file.lines)
            read_instruction(statement, file.directives.escape)


@given(st.binary())
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    with suppress(DockerfileProblem):
        parse_dockerfile(data)


@given(TEXTS)
def test_line_ends_of_windows_change_nothing(text: str) -> None:
    text = "FROM a\n" + text.replace("\r", "").replace("<<", "")
    try:
        unix = parse_dockerfile(text.encode())
        windows = parse_dockerfile(text.replace("\n", "\r\n").encode())
    except DockerfileProblem:
        return
    assert [s.text for s in unix.statements] == [s.text for s in windows.statements]


@given(st.lists(st.sampled_from(["FROM a", "ENV a=1", "RUN x", "CMD y"]), min_size=1, max_size=8))
def test_comments_blank_lines_and_indents_change_nothing(lines: list[str]) -> None:
    plain = parse_dockerfile("\n".join(lines).encode())
    decorated = parse_dockerfile("\n\n # c\n\t".join(["# c", *lines]).encode())
    assert [s.text for s in plain.statements] == [s.text for s in decorated.statements]


@given(TEXTS, VALUES, st.sampled_from(list(Keep)))
def test_expansion_ends_within_its_bounds(text: str, values: dict[str, str], keep: Keep) -> None:
    try:
        expanded = expand(text, values, keep=keep)
    except DockerfileProblem:
        return
    assert len(expanded.text) <= MAX_RESULT
    assert expanded.matched <= set(values)
    assert not expanded.unmatched & set(values)


@given(st.text(alphabet=st.characters(exclude_characters="$\\'\"")))
def test_a_text_without_signs_is_its_own_expansion(text: str) -> None:
    expanded = expand(text, {})
    assert expanded.text == text
    assert expanded.words == text.split()


@given(TEXTS)
def test_splitting_words_loses_no_character_but_spaces(text: str) -> None:
    words = split_words(text, "\\")
    kept = "".join(text.split()).removesuffix("\\")
    assert "".join("".join(words).split()).removesuffix("\\") == kept


@given(st.text(alphabet="ab*?", max_size=8), st.text(alphabet="ab", max_size=12), st.booleans())
def test_patterns_cut_what_they_match(pattern: str, value: str, longest: bool) -> None:
    assert value.endswith(trim_prefix(pattern, value, longest=longest))
    assert value.startswith(trim_suffix(pattern, value, longest=longest))
    lengths = [n for n in range(len(value) + 1) if fnmatch.fnmatchcase(value[:n], pattern)]
    cut = (max if longest else min)(lengths, default=0)
    assert trim_prefix(pattern, value, longest=longest) == value[cut:]
    starts = [n for n in range(len(value) + 1) if fnmatch.fnmatchcase(value[n:], pattern)]
    kept = (min if longest else max)(starts, default=len(value))
    assert trim_suffix(pattern, value, longest=longest) == value[:kept]
    assert len(replace(pattern, value, "", everywhere=True)) <= len(value)


@given(TEXTS)
def test_any_mount_is_read_or_refused(text: str) -> None:
    for expansion in (None, lambda part: part):
        with suppress(DockerfileProblem):
            parse_mount(text, expansion)


IGNORED = st.lists(
    st.sampled_from(["a", "b", "*", "**", "/", "?", "[ab]", "[^a]", "!", "\n", ".", "\\a", "c"]),
    max_size=20,
).map("".join)
PATHS = st.lists(st.sampled_from(["a", "b", "ab", "c"]), min_size=1, max_size=5).map("/".join)


@given(IGNORED, PATHS)
def test_a_parent_left_out_takes_what_is_below_unless_an_exception_may_be(
    file: str, path: str
) -> None:
    try:
        patterns = IgnorePatterns(read_ignore_file(file.encode()))
    except InvalidIgnoreFile:
        return
    parent = path.rpartition("/")[0]
    if parent and patterns.excludes(parent) and not patterns.may_hold_exceptions(parent):
        assert patterns.excludes(path)


@given(st.lists(st.sampled_from(["a", "b", "*", "**/", "/", "?"]), min_size=1, max_size=9), PATHS)
def test_many_wildcards_match_what_a_regular_expression_does(pieces: list[str], path: str) -> None:
    tokens = _tokens("".join(pieces))
    pattern = "".join(token if len(token) > 1 else re.escape(token) for token in tokens)
    assert _Automaton(tokens).matches(path) == (re.fullmatch(pattern, path) is not None)
