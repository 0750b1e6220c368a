import pytest

from wharfie.formats.dockerfile.expansion import MAX_DEPTH, MAX_RESULT, Keep, expand
from wharfie.formats.dockerfile.problem import DockerfileProblem

VALUES = {"a": "foo.tar.gz", "e": "", "s": "x y", "n": "a.b.c", "p": "/usr/lib/x"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$a", "foo.tar.gz"),
        ("${a}b", "foo.tar.gzb"),
        ("$ab", ""),
        ("'$a'", "$a"),
        ('"$a"', "foo.tar.gz"),
        ("\\$a", "$a"),
        ('"\\$a \\" \\x"', '$a " \\x'),
        ("a'b'\"c\"\\d", "abcd"),
        ("$", "$"),
        ("$/x", "$/x"),
        ("$1x", "x"),
        ("${u:-d}|${u-d}|${u:+s}|${u+s}", "d|d||"),
        ("${e:-d}|${e-d}|${e:+s}|${e+s}", "d|||s"),
        ("${n:-d}|${n-d}|${n:+s}|${n+s}", "a.b.c|a.b.c|s|s"),
        ("${u:-${v:-$n}}", "a.b.c"),
        ("${u:-'a b'}", "a b"),
        ("${n:?x}|${n?x}|${e?x}", "a.b.c|a.b.c|"),
        ("${n#*.}|${n##*.}|${n%.*}|${n%%.*}", "b.c|c|a.b|a"),
        ("${n#x}|${n#a}|${n%c}|${n#?}|${n%?}", "a.b.c|.b.c|a.b.|.b.c|a.b."),
        ("${n/./-}|${n//./-}|${n//./}|${n/x/y}", "a-b.c|a-b-c|abc|a.b.c"),
        ("${n//?/q}|${n/*/z}|${n/b*/}", "qqqqq|z|a."),
        ("${p//\\//-}|${p/\\/usr/}", "-usr-lib-x|/lib/x"),
        ("${u#x}|${u//x/y}", "|"),
        ("${n##a*b}", ".c"),
        ("${n%%b*}", "a."),
    ],
)
def test_every_operator(text: str, expected: str) -> None:
    assert expand(text, VALUES).text == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("${", "syntax error: missing '}'"),
        ("${}", "syntax error: bad substitution"),
        ("${a", "unsupported modifier (\ufffd) in substitution"),
        ("${a!b}", "unsupported modifier (!) in substitution"),
        ("${a:b}", "unsupported modifier (:b) in substitution"),
        ("${a:-b", "syntax error: missing '}'"),
        ("${a/b", "syntax error: missing '/' in ${}"),
        ("${a/b/c", "syntax error: missing '}'"),
        ("${u:?must be}", "u: must be"),
        ("${u?}", "u: is not allowed to be unset"),
        ("${e:?}", "e: is not allowed to be empty"),
        ("${a#\\q}", "invalid pattern (\\q) in substitution: invalid escape '\\q'"),
        ("'a", "unexpected end of statement while looking for matching single-quote"),
        ('"a', "unexpected end of statement while looking for matching double-quote"),
    ],
)
def test_errors_in_dockers_words(text: str, message: str) -> None:
    with pytest.raises(DockerfileProblem) as caught:
        expand(text, VALUES)
    prefix, _, rest = str(caught.value).partition('": ')
    assert prefix.startswith('failed to process "')
    assert rest == message


def test_words_part_where_values_have_spaces_unquoted() -> None:
    assert expand("$s z", VALUES).words == ["x", "y", "z"]
    assert expand('"$s" z', VALUES).words == ["x y", "z"]
    assert expand("a\\ b", VALUES).words == ["a b"]
    assert expand("  ", VALUES).words == []


def test_what_is_kept() -> None:
    raw = Keep.QUOTES | Keep.ESCAPES | Keep.UNSET
    assert expand("$a '$u' \"$u\" \\x ${u:-d}", VALUES, keep=raw).text == (
        "foo.tar.gz '$u' \"$u\" \\x ${u:-d}"
    )
    assert expand("'$a' \"x\"", VALUES, keep=Keep.LITERAL_QUOTES).text == "'foo.tar.gz' \"x\""


def test_names_are_told() -> None:
    expanded = expand("$a $u ${v:-x}", VALUES)
    assert expanded.matched == {"a"}
    assert expanded.unmatched == {"u", "v"}


def test_another_escape_character() -> None:
    assert expand("`$a C:\\dir", VALUES, escape="`").text == "$a C:\\dir"


def test_bombs_are_refused() -> None:
    big = {"a": "x" * (MAX_RESULT // 2)}
    with pytest.raises(DockerfileProblem, match="expands to more than"):
        expand("$a$a$a", big)
    with pytest.raises(DockerfileProblem, match="expands to more than"):
        expand("${a//x/yyyy}", big)
    with pytest.raises(DockerfileProblem, match="nested too deeply"):
        expand("${a:-" * (MAX_DEPTH + 1) + "}" * (MAX_DEPTH + 1), {})
    assert expand("${b:-" * 40 + "x" + "}" * 40, {}).text == "x"


def test_a_pattern_of_many_stars_is_as_fast_as_any() -> None:
    value = "a" * 20_000
    assert expand("${v##" + "*a" * 100 + "b}", {"v": value}).text == value
    assert expand("${v%%b" + "a*" * 100 + "}", {"v": value}).text == value
