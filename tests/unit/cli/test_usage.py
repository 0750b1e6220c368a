"""Help pages, kept in tests/golden/cli; WHARFIE_RENEW_GOLDEN=1 writes them anew."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from wharfie.cli import commands
from wharfie.cli.command import Command
from wharfie.cli.usage import command_help, wrap

GOLDEN = Path(__file__).parents[2] / "golden" / "cli"


@pytest.mark.parametrize("path", sorted(commands.TABLE))
def test_help_pages_are_as_recorded(path: str) -> None:
    command = commands.load(path)
    assert isinstance(command, Command)
    assert command.short == commands.TABLE[path][2] or path.startswith("cert")
    page = command_help("docker", f"docker {path}", command, 80)
    file = GOLDEN / f"{path.replace(' ', '_')}.txt"
    if os.environ.get("WHARFIE_RENEW_GOLDEN"):
        file.write_text(page)
    assert page == file.read_text()


@pytest.mark.parametrize("alias", sorted(commands.ALIASES))
def test_aliases_lead_to_commands(alias: str) -> None:
    command = commands.load(alias)
    assert isinstance(command, Command)
    assert alias in command.aliases


def test_text_is_wrapped_with_room_for_a_short_last_word() -> None:
    text = "one two three four five six seven"
    assert wrap(text, 0, 40) == text
    assert wrap(text, 4, 34) == "one two three four five\n    six seven"
    assert wrap("a\nb", 4, 40) == "a\n    b"


def test_a_narrow_terminal_gets_a_block() -> None:
    assert wrap("one two three four", 60, 70).startswith("\n" + " " * 16 + "one")
