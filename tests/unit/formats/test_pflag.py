from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wharfie.formats.pflag import HelpWanted, Parser, UsageProblem, Values, declare, parse_cpus

TABLE = """
-a, --all  Everything
-i, --interactive  Keep open
-t, --tty  Terminal
-p, --publish list  Ports
-n, --last int  Number (default -1)
    --name string  Name (default "x y")
    --sig-proxy  Proxy (default true)
    --memory bytes  Size
    --cpus decimal  CPUs
    --label map  Labels (default map[])
    --filter filter  Filters
    --alias strings  Aliases
    --weight uint16  Weight
    --wait duration  Span
%   --hidden  Not shown
|more text
"""


def parse(*argv: str, interspersed: bool = True) -> Values:
    return Parser(declare(TABLE), interspersed=interspersed).parse(list(argv))


def test_spellings_of_one_flag() -> None:
    for argv in (["-p", "8"], ["-p8"], ["-p=8"], ["--publish", "8"], ["--publish=8"]):
        assert parse(*argv).items("publish") == ["8"]


def test_letters_share_a_dash() -> None:
    values = parse("-itp8080:80", "-ap", "x")
    assert values.on("interactive")
    assert values.on("tty")
    assert values.on("all")
    assert values.items("publish") == ["8080:80", "x"]


def test_defaults_stand_in_the_help_text() -> None:
    values = parse()
    assert values.number("last") == -1
    assert values.text("name") == "x y"
    assert values.on("sig-proxy")
    assert not values.has("sig-proxy")


def test_bools_take_values_only_behind_an_equals_sign() -> None:
    values = parse("--sig-proxy=false", "--all", "false", "-t=0")
    assert not values.on("sig-proxy")
    assert values.on("all")
    assert not values.on("tty")
    assert values.args == ["false"]


def test_flags_may_follow_arguments_unless_told_otherwise() -> None:
    assert parse("x", "-a").on("all")
    values = parse("-t", "image", "-a", "--", "y", interspersed=False)
    assert values.args == ["image", "-a", "--", "y"]
    assert not values.on("all")


def test_two_dashes_end_the_flags() -> None:
    assert parse("-a", "--", "-t", "x").args == ["-t", "x"]
    assert parse("-", "x").args == ["-", "x"]


def test_kinds_are_converted() -> None:
    values = parse(
        *("--memory", "1.5g", "--cpus", ".5", "--label", "a=b", "--label", "c", "--wait", "1m"),
        *("--filter", "Name=x", "--filter", "name=y", "--alias", 'a,"b,c"', "--weight", "0x10"),
    )
    assert values.number("memory") == 1610612736
    assert values.number("cpus") == 500_000_000
    assert values.pairs("label") == {"a": "b", "c": ""}
    assert values.filters("filter") == {"name": {"x": True, "y": True}}
    assert values.items("alias") == ["a", "b,c"]
    assert values.number("weight") == 16
    assert values.number("wait") == 60 * 10**9


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--foo"], "unknown flag: --foo"),
        (["-Z"], "unknown shorthand flag: 'Z' in -Z"),
        (["-aZ"], "unknown shorthand flag: 'Z' in -aZ"),
        (["--name"], "flag needs an argument: --name"),
        (["-ap"], "flag needs an argument: 'p' in -ap"),
        (["--=x"], "bad flag syntax: --=x"),
        (
            ["-n", "abc"],
            'invalid argument "abc" for "-n, --last" flag: strconv.ParseInt: parsing "abc":'
            " invalid syntax",
        ),
        (
            ["--weight", "65536"],
            'invalid argument "65536" for "--weight" flag: strconv.ParseUint: parsing "65536":'
            " value out of range",
        ),
        (
            ["--all=maybe"],
            'invalid argument "maybe" for "-a, --all" flag: strconv.ParseBool: parsing "maybe":'
            " invalid syntax",
        ),
    ],
)
def test_mistakes_are_told_in_pflag_s_words(argv: list[str], message: str) -> None:
    with pytest.raises(UsageProblem) as caught:
        parse(*argv)
    assert str(caught.value) == message
    assert caught.value.code == 125


def test_help_is_always_a_flag() -> None:
    with pytest.raises(HelpWanted):
        parse("--help")
    with pytest.raises(HelpWanted) as caught:
        parse("-h")
    assert caught.value.shorthand


def test_a_flag_that_is_hidden_works() -> None:
    flags = declare(TABLE)
    assert flags["hidden"].hidden
    assert flags["hidden"].usage == "Not shown\nmore text"
    assert parse("--hidden").on("hidden")


@pytest.mark.parametrize("text", ["x", "", "1/0", "1.2.3", "0.0000000001", "1e3"])
def test_odd_numbers_of_cpus_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"rational|precise"):
        parse_cpus(text)


@given(st.lists(st.text(alphabet="-=apntizZ10xfale", max_size=8), max_size=6))
def test_any_command_line_is_read_or_refused(argv: list[str]) -> None:
    try:
        parse(*argv)
    except (UsageProblem, HelpWanted):
        return


def test_pairs_of_one_flag_are_separated_by_commas() -> None:
    flags = declare("--docker stringToString  set it (default [])")
    values = Parser(flags).parse(["--docker", "host=tcp://h:1,ca=x", '--docker="a=b,c",d=e=f'])
    assert values.pairs("docker") == {"host": "tcp://h:1", "ca": "x", "a": "b,c", "d": "e=f"}
    with pytest.raises(UsageProblem, match="foo must be formatted as key=value"):
        Parser(flags).parse(["--docker", "foo"])
