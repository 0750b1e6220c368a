"""Wrong command lines in Docker's words, with Docker's exit codes: seeds A2, G16."""

from __future__ import annotations

import pytest

from wharfie.cli.main import main


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["foo"], 1, "docker: unknown command: docker foo\n\nRun 'docker --help' for more"),
        (["network", "foo"], 1, "docker: unknown command: docker network foo\n"),
        (["--foo"], 125, "unknown flag: --foo\n"),
        (["ps", "--foo"], 125, "unknown flag: --foo\n"),
        (["rm"], 1, "docker: 'docker rm' requires at least 1 argument\n"),
        (["-H"], 125, "flag needs an argument: 'H' in -H\n"),
    ],
)
def test_a_wrong_command_line_is_told_in_dockers_words(
    words: list[str], code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["docker", *words]) == code
    assert capsys.readouterr().err.startswith(said)


@pytest.mark.parametrize(("name", "daemon"), [("docker", "dockerd"), ("wharfie", "wharfied")])
def test_the_old_way_to_start_a_daemon_is_pointed_at_the_new_one(
    name: str, daemon: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([name, "daemon"]) == 1
    assert capsys.readouterr().err.endswith(f"The daemon is a program of its own now: {daemon}\n")
