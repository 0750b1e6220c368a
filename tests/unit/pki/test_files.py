import os
import stat
from pathlib import Path

import pytest

from support.tls import make_ca
from wharfie.pki.errors import FileExists, UnreadableFile
from wharfie.pki.files import ca_files, check_absent, read_ca, read_pem, write_files
from wharfie.pki.keys import public_bytes


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_keys_are_for_their_owner_and_certificates_for_all(tmp_path: Path) -> None:
    os.umask(os.umask(0o077))
    names = ["ca-key.pem", "server-key.pem", "key.pem", "ca.pem", "server-cert.pem", "cert.pem"]
    write_files(tmp_path / "d", dict.fromkeys(names, b"x"))
    assert [mode(tmp_path / "d" / name) for name in names] == [0o400] * 3 + [0o444] * 3
    assert mode(tmp_path / "d") == 0o700


def test_nothing_is_overwritten_unasked(tmp_path: Path) -> None:
    write_files(tmp_path, {"key.pem": b"old"})
    with pytest.raises(FileExists, match=r"key\.pem"):
        write_files(tmp_path, {"cert.pem": b"new", "key.pem": b"new"})
    assert (tmp_path / "key.pem").read_bytes() == b"old"
    assert not (tmp_path / "cert.pem").exists()


def test_force_replaces_files_that_cannot_be_written(tmp_path: Path) -> None:
    write_files(tmp_path, {"key.pem": b"old"})
    write_files(tmp_path, {"key.pem": b"new"}, force=True)
    assert (tmp_path / "key.pem").read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["key.pem"]


def test_a_dangling_link_is_not_written_through(tmp_path: Path) -> None:
    target = tmp_path / "elsewhere"
    (tmp_path / "key.pem").symlink_to(target)
    with pytest.raises(FileExists):
        write_files(tmp_path, {"key.pem": b"secret"})
    write_files(tmp_path, {"key.pem": b"secret"}, force=True)
    assert not target.exists()
    assert not (tmp_path / "key.pem").is_symlink()


def test_all_present_files_are_named(tmp_path: Path) -> None:
    write_files(tmp_path, {"key.pem": b"", "ca.pem": b""})
    with pytest.raises(FileExists) as refusal:
        check_absent(tmp_path, ["ca.pem", "cert.pem", "key.pem"])
    assert refusal.value.paths == (str(tmp_path / "ca.pem"), str(tmp_path / "key.pem"))


def test_a_file_in_the_place_of_the_directory_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "d").write_text("")
    with pytest.raises((FileExists, UnreadableFile)):
        write_files(tmp_path / "d", {"key.pem": b""})


@pytest.mark.parametrize("passphrase", [None, b"secret"])
def test_a_ca_is_read_back(tmp_path: Path, passphrase: bytes | None) -> None:
    ca = make_ca()
    write_files(tmp_path, ca_files(ca, passphrase))
    again = read_ca(tmp_path, passphrase)
    assert again.certificate == ca.certificate
    assert public_bytes(again.key) == public_bytes(ca.key)


def test_a_missing_ca_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile, match=r"ca\.pem: no such file"):
        read_ca(tmp_path)


def test_a_huge_file_is_not_read_whole(tmp_path: Path) -> None:
    huge = tmp_path / "ca.pem"
    with huge.open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(UnreadableFile, match="too large"):
        read_pem(huge)
