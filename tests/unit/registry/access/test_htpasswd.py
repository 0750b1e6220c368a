"""Accounts: bcrypt alone, read again when they change, and nothing learnt from the time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import bcrypt
import pytest

from wharfie.registry.access.htpasswd import Accounts, Busy, InvalidAccounts, parse_htpasswd


def line(name: str, password: bytes) -> str:
    hashed = bcrypt.hashpw(password[:72], bcrypt.gensalt(4)).decode()
    return f"{name}:{hashed.replace('$2b$', '$2y$')}\n"  # as Apache's htpasswd writes them


@pytest.fixture
def accounts(tmp_path: Path) -> Iterator[Accounts]:
    path = tmp_path / "htpasswd"
    path.write_text("# people\n\n" + line("alice", b"secret") + line("long", b"x" * 100))
    found = Accounts(str(path))
    yield found
    found.close()


async def test_right_passwords_count_and_wrong_ones_do_not(accounts: Accounts) -> None:
    assert await accounts.check("alice", "secret")
    assert await accounts.check("alice", "secret")
    assert accounts.is_remembered("alice", "secret")
    for name, password in (
        ("alice", "Secret"), ("alice", ""), ("alice", "secret\0x"), ("bob", "secret"), ("", ""),
    ):  # fmt: skip
        assert not await accounts.check(name, password)
        assert not accounts.is_remembered(name, password)
    assert await accounts.check("long", "x" * 90)  # bcrypt reads 72 bytes, as with Docker's


async def test_a_changed_password_counts_at_once(accounts: Accounts, tmp_path: Path) -> None:
    assert await accounts.check("alice", "secret")
    before = accounts.fingerprint("alice")
    replace(tmp_path, line("alice", b"other"))
    assert not await accounts.check("alice", "secret")
    assert await accounts.check("alice", "other")
    assert accounts.fingerprint("alice") not in (before, "")
    assert accounts.fingerprint("long") == ""


async def test_a_broken_file_changes_nothing(accounts: Accounts, tmp_path: Path) -> None:
    replace(tmp_path, "alice:plain\n")
    assert await accounts.check("alice", "secret")
    assert "line 1" in accounts.complaint
    replace(tmp_path, line("alice", b"again"))
    assert await accounts.check("alice", "again")
    assert accounts.complaint == ""


async def test_an_unknown_name_costs_a_check_as_well(
    accounts: Accounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    costs: list[bytes] = []

    def check(password: bytes, hashed: bytes) -> bool:
        costs.append(hashed[4:6])
        return False

    monkeypatch.setattr(bcrypt, "checkpw", check)
    await accounts.check("nobody", "x")
    await accounts.check("alice", "x")
    assert costs == [b"04", b"04"]


async def test_even_a_matching_hash_of_nobody_lets_nobody_in(
    accounts: Accounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bcrypt, "checkpw", lambda password, hashed: True)
    assert not await accounts.check("nobody", "x")


async def test_a_crowd_of_logins_is_turned_away(accounts: Accounts) -> None:
    accounts._waiting = 64
    with pytest.raises(Busy):
        await accounts.check("alice", "secret")


@pytest.mark.parametrize(
    "text",
    [
        "alice\n", ":x\n", "alice:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n", "alice:$apr1$a$b\n",
        "alice:secret\n", "alice:$2y$31$" + "a" * 53 + "\n", "alice:$2y$10$short\n",
        line("alice", b"x") * 2,
    ],
)  # fmt: skip
def test_other_hashes_and_broken_lines_are_named(text: str) -> None:
    with pytest.raises(InvalidAccounts, match=r"/etc/x, line [12]:"):
        parse_htpasswd(text, "/etc/x")


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(InvalidAccounts, match="cannot read"):
        Accounts(str(tmp_path / "none"))


def replace(folder: Path, text: str) -> None:
    (folder / "new").write_text(text)
    os.replace(folder / "new", folder / "htpasswd")
