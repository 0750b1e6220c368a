from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wharfie.cli.contexts.archive import LARGEST, pack, unpack
from wharfie.cli.contexts.store import ContextStore
from wharfie.cli.errors import CommandError

META = b'{"Name":"x","Metadata":{},"Endpoints":{"docker":{"Host":"tcp://h:1"}}}'


def tar(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def zipped(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def test_what_was_packed_is_unpacked(tmp_path: Path) -> None:
    store = ContextStore(str(tmp_path))
    tls = {"docker": {"ca.pem": b"ca", "key.pem": b"key"}}
    context = store.save("mine", {"Endpoints": {"docker": {"Host": "tcp://h:1"}}}, tls)
    again = unpack(pack(context))
    assert again.document == context.document
    assert again.tls == tls


@pytest.mark.parametrize("make", [tar, zipped])
def test_both_forms_are_read(make: object) -> None:
    assert callable(make)
    found = unpack(make({"meta.json": META, "tls/docker/ca.pem": b"x"}))
    assert found.tls == {"docker": {"ca.pem": b"x"}}


@pytest.mark.parametrize("make", [tar, zipped])
@pytest.mark.parametrize(
    "name",
    ["other", "/etc/passwd", "tls/../../x", "tls/docker/../../../x", "tls/a/b/c", "tls//x",
     "tls/x", "../tls/docker/ca.pem", "tls/docker/"],
)  # fmt: skip
def test_no_other_name_is_taken(make: object, name: str) -> None:
    assert callable(make)
    if make is zipped and name.endswith("/"):
        return  # a directory
    with pytest.raises(CommandError):
        unpack(make({"meta.json": META, name: b"x"}))


def test_links_are_not_followed() -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        info = tarfile.TarInfo("meta.json")
        info.size = len(META)
        archive.addfile(info, io.BytesIO(META))
        link = tarfile.TarInfo("tls/docker/key.pem")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/shadow"
        archive.addfile(link)
    assert unpack(buffer.getvalue()).tls == {}


def test_a_small_archive_of_large_files_is_refused() -> None:
    bomb = zipped({"meta.json": META, "tls/docker/ca.pem": b"\0" * (LARGEST + 1)})
    assert len(bomb) < 100_000
    with pytest.raises(CommandError, match="limit"):
        unpack(bomb)


def test_too_many_files_are_refused() -> None:
    with pytest.raises(CommandError, match="too many"):
        unpack(tar({"meta.json": META, **{f"tls/docker/{n}": b"" for n in range(100)}}))


@pytest.mark.parametrize("meta", [b"", b"[]", b"{", b"null"])
def test_a_broken_description_is_refused(meta: bytes) -> None:
    with pytest.raises(CommandError, match="invalid context"):
        unpack(tar({"meta.json": meta}))


@given(st.binary(max_size=3000))
def test_garbage_is_an_error_and_nothing_else(data: bytes) -> None:
    for prefix in (b"", b"PK\x03\x04", tar({"meta.json": META})[:600]):
        try:
            unpack(prefix + data)
        except CommandError:
            continue


def test_an_encrypted_archive_is_refused_in_words() -> None:
    data = bytearray(zipped({"meta.json": META}))
    for magic, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(magic) + flags] |= 1
    with pytest.raises(CommandError, match="encrypted"):
        unpack(bytes(data))
