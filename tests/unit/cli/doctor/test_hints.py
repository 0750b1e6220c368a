from __future__ import annotations

import pytest

from wharfie.cli.doctor import hints
from wharfie.client.daemon import Client
from wharfie.client.endpoint import TlsOptions, parse_endpoint
from wharfie.client.errors import Cause

CAUSES = [value for name, value in vars(Cause).items() if name.isupper()]


@pytest.mark.parametrize("cause", CAUSES)
@pytest.mark.parametrize("address", ["tcp://[::1]:7", "unix:///x", "ssh://me@h"])
def test_every_cause_has_a_hint(cause: str, address: str) -> None:
    text = hints.hint_of(cause, parse_endpoint(address, TlsOptions(ca="/my/ca.pem")))
    assert text
    assert "{" not in text


def test_no_cause_has_none() -> None:
    assert hints.hint_of("", parse_endpoint("")) == ""


@pytest.mark.parametrize(
    ("prog", "terminal", "told"),
    [("wharfie", False, True), ("wharfie", True, True), ("docker", True, True),
     ("docker", False, False)],
)  # fmt: skip
def test_scripts_that_call_docker_read_what_docker_says(
    prog: str,
    terminal: bool,
    told: bool,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hints, "is_terminal", lambda _: terminal)
    client = Client(parse_endpoint("tcp://h:1"))
    client.cause = Cause.REFUSED
    hints.give_hint(prog, client)
    said = capsys.readouterr()
    assert said.out == ""
    assert ("nothing listens there" in said.err) is told
    assert (f"{prog} doctor tcp://h:1" in said.err) is told
