"""The daemon's command line: pflag's grammar and Docker's words."""

from __future__ import annotations

import pytest

from wharfie.daemon.config.flags import UsageError, parse_flags, usage


def test_flags_follow_pflags_grammar() -> None:
    values = parse_flags(
        ["-DHunix:///a", "-H", "tcp://b", "--host=c", "--debug=false", "--label", "a=b"]
    )
    assert values == {"debug": False, "hosts": ["unix:///a", "tcp://b", "c"], "labels": ["a=b"]}


def test_repeated_maps_and_lists_are_joined() -> None:
    values = parse_flags(
        ["--log-opt", "a=b", "--log-opt", "c=d", "--dns", "1.1.1.1,8.8.8.8", "--dns", "::1",
         "--default-network-opt", "bridge=a=b", "--default-network-opt", "bridge=c=d",
         "--feature", "buildkit=false", "--feature", "x"]
    )  # fmt: skip
    assert values == {
        "log-opts": {"a": "b", "c": "d"},
        "dns": ["1.1.1.1", "8.8.8.8", "::1"],
        "default-network-opts": {"bridge": {"a": "b", "c": "d"}},
        "features": {"buildkit": False, "x": True},
    }


# Measured on dockerd 28.5.2.
WRONG = [
    (["--nonsense"], "unknown flag: --nonsense"),
    (["-x"], "unknown shorthand flag: 'x' in -x"),
    (["--pidfile"], "flag needs an argument: --pidfile"),
    (["--mtu=x"],
     'invalid argument "x" for "--mtu" flag: strconv.ParseInt: parsing "x": invalid syntax'),
    (["--debug=maybe"],
     'invalid argument "maybe" for "-D, --debug" flag: strconv.ParseBool: parsing "maybe": '
     "invalid syntax"),
    (["--default-address-pool", "x"],
     'invalid argument "x" for "--default-address-pool" flag: invalid field \'x\' must be a '
     "key=value pair"),
    (["--default-ulimit", "x"],
     'invalid argument "x" for "--default-ulimit" flag: invalid ulimit argument: x'),
    (["--add-runtime", "x"],
     'invalid argument "x" for "--add-runtime" flag: invalid runtime argument: x'),
    (["--add-runtime", "runc=/x"],
     'invalid argument "runc=/x" for "--add-runtime" flag: runtime name \'runc\' is reserved'),
    (["--default-network-opt", "x"],
     'invalid argument "x" for "--default-network-opt" flag: invalid value "x" for map option, '
     "should be root-key=key=value"),
    (["--default-shm-size", "x"],
     'invalid argument "x" for "--default-shm-size" flag: invalid size: \'x\''),
    (["--feature", "x=y"],
     'invalid argument "x=y" for "--feature" flag: strconv.ParseBool: parsing "y": invalid '
     "syntax"),
    (["--ip", "x"], 'invalid argument "x" for "--ip" flag: failed to parse IP: "x"'),
    (["start"], '"wharfied" accepts no arguments: start'),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "text"), WRONG)
def test_a_wrong_command_line_says_what_is_wrong(arguments: list[str], text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_flags(arguments)
    assert str(caught.value) == text


def test_help_lists_the_flags_with_their_defaults() -> None:
    text = usage("dockerd")
    assert "Usage:  dockerd [OPTIONS]" in text
    assert "-H, --host list" in text
    assert '(default "info")' in text
    assert "--cri-containerd" not in text
