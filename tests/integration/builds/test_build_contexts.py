"""Build contexts: received once, stored once, hostile ones refused."""

import asyncio
import bz2
import gzip
import io
import lzma
import os
import tarfile
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import zstandard

from support.contexts import Sender, open_store
from support.image_archives import member, tar
from support.jailed import in_pieces
from wharfie.drivers.context import LocalContextStore
from wharfie.formats.session import manifest
from wharfie.formats.session.manifest import Entry
from wharfie.model.archive import Limits
from wharfie.model.errors import InvalidArgument

pytestmark = pytest.mark.root


def with_store(
    directory: Path,
    work: Callable[[LocalContextStore], Awaitable[None]],
    limits: Limits | None = None,
) -> None:
    async def run() -> None:
        async with open_store(directory, limits) as store:
            await work(store)

    asyncio.run(run())


def objects(directory: Path) -> dict[str, os.stat_result]:
    top = directory / "build/contexts/objects"
    return {path.name: path.stat() for path in top.glob("*/*-*")}


@pytest.mark.parametrize(
    "pack",
    [bytes, gzip.compress, bz2.compress, lzma.compress, zstandard.ZstdCompressor().compress],
    ids=["plain", "gzip", "bzip2", "xz", "zstd"],
)
def test_context_is_unpacked(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    archive = tar(
        {"Dockerfile": b"FROM scratch\n", "sub/a": b"one", "link": member("link", b"2", "sub/a")}
    )

    async def work(store: LocalContextStore) -> None:
        held = await store.receive(in_pieces(pack(archive), 100))
        top = Path(held.directory)
        assert (top / "sub/a").read_bytes() == b"one"
        assert os.readlink(top / "link") == "sub/a"
        assert await held.read("Dockerfile", limit=100) == b"FROM scratch\n"
        assert await held.read("link", limit=100) == b"one"
        assert await held.read("none", limit=100) is None
        assert held.file_digest("sub/a") == (
            "sha256:7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed"
        )
        assert held.file_digest("link") is None
        await held.close()
        await store.settle()
        assert not top.exists()

    with_store(tmp_path, work)


def test_unchanged_files_are_stored_once(tmp_path: Path) -> None:
    big = os.urandom(3 << 20)

    async def work(store: LocalContextStore) -> None:
        first = await store.receive(in_pieces(tar({"big": big, "small": b"s", "copy": big})))
        second = await store.receive(in_pieces(tar({"big": big, "small": b"s"})))
        inodes = {os.stat(Path(one.directory) / "big").st_ino for one in (first, second)}
        assert len(inodes) == 1
        assert len(objects(tmp_path)) == 2
        assert await store.usage() == ((3 << 20) + 1, 0)
        await first.close()
        await second.close()
        await store.settle()
        assert len(objects(tmp_path)) == 2
        assert await store.prune(keep=0) == (3 << 20) + 1
        assert not objects(tmp_path)

    with_store(tmp_path, work)


def test_files_with_other_attributes_are_stored_apart(tmp_path: Path) -> None:
    program = tarfile.TarInfo("a")
    program.size, program.mode = 1, 0o755
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        archive.addfile(program, io.BytesIO(b"x"))

    async def work(store: LocalContextStore) -> None:
        one = await store.receive(in_pieces(tar({"a": b"x"})))
        other = await store.receive(in_pieces(out.getvalue()))
        modes = [os.stat(Path(held.directory) / "a").st_mode & 0o777 for held in (one, other)]
        assert modes == [0o644, 0o755]

    with_store(tmp_path, work)


def test_only_lacking_files_are_sent(tmp_path: Path) -> None:
    files = {f"d{n % 7}/f{n}": f"content {n}".encode() * 50 for n in range(2000)}

    async def work(store: LocalContextStore) -> None:
        first = Sender(files)
        held = await store.assemble(first)
        assert len(first.sent_files) == 2000
        await held.close()
        second = Sender({**files, "d3/f3": b"changed"})
        held = await store.assemble(second)
        assert second.sent_files == ["d3/f3"]
        assert second.sent_blocks == 1
        assert second.sent < 20_000
        assert (Path(held.directory) / "d3/f3").read_bytes() == b"changed"
        assert (Path(held.directory) / "d4/f4").read_bytes() == files["d4/f4"]
        assert str(held.file_digest("d4/f4")).startswith("sha256:")
        await held.close()
        touched = Sender(files, mtime=5 * 10**17)
        held = await store.assemble(touched)
        assert touched.sent_files == []
        assert os.stat(Path(held.directory) / "d4/f4").st_mtime_ns == 5 * 10**17

    with_store(tmp_path, work)


def test_equal_files_are_sent_once(tmp_path: Path) -> None:
    async def work(store: LocalContextStore) -> None:
        sender = Sender({"a": b"same", "b": b"same", "empty": b""})
        held = await store.assemble(sender)
        assert sender.sent_files == ["a"]
        assert (Path(held.directory) / "b").read_bytes() == b"same"
        assert (Path(held.directory) / "empty").read_bytes() == b""

    with_store(tmp_path, work)


def test_a_lying_client_is_refused(tmp_path: Path) -> None:
    """An announced content that does not come must not be stored under its digest."""

    class Liar(Sender):
        def content(self, path: str) -> bytes:
            return b"evil" if path == "a" else super().content(path)

    async def work(store: LocalContextStore) -> None:
        with pytest.raises(InvalidArgument, match="a changed while it was sent"):
            await store.assemble(Liar({"a": b"good"}))
        honest = Sender({"a": b"good"})
        held = await store.assemble(honest)
        assert (Path(held.directory) / "a").read_bytes() == b"good"

    with_store(tmp_path, work)


def test_a_lying_block_is_refused(tmp_path: Path) -> None:
    class Liar(Sender):
        def spell_block(self, block: bytes) -> bytes:
            return super().spell_block(block.replace(b"644", b"755"))

    async def work(store: LocalContextStore) -> None:
        with pytest.raises(InvalidArgument, match="not what it was announced as"):
            await store.assemble(Liar({"a": b"good"}))

    with_store(tmp_path, work)


@pytest.mark.parametrize("by_manifest", [False, True])
def test_symlinks_lead_nowhere_else(tmp_path: Path, by_manifest: bool) -> None:
    """A context whose symlink points to the stored contents, or out, reaches neither."""
    victim = tmp_path / "victim"
    victim.mkdir()

    async def attack(store: LocalContextStore, target: str) -> Path:
        if by_manifest:
            link = Entry(manifest.SYMLINK, b"a", link=os.fsencode(target), mode=0o777)
            held = await store.assemble(Sender({"a/planted": b"evil"}, link))
        else:
            data = tar({"a": member("a", b"2", target), "a/planted": b"evil"})
            held = await store.receive(in_pieces(data))
        return Path(held.directory)

    async def work(store: LocalContextStore) -> None:
        for target in ("/objects", "../../../objects", str(victim)):
            with pytest.raises(InvalidArgument):
                await attack(store, target)
        # The benign twin: a symlink that stays inside is followed inside.
        inside = Entry(manifest.DIRECTORY, b"here", mode=0o755)
        if by_manifest:
            link = Entry(manifest.SYMLINK, b"x", link=b"/here", mode=0o777)
            held = await store.assemble(Sender({"x/planted": b"good"}, inside, link))
        else:
            held = await store.receive(
                in_pieces(
                    tar(
                        {
                            "here": member("here", b"5"),
                            "x": member("x", b"2", "/here"),
                            "x/planted": b"good",
                        }
                    )
                )
            )
        assert (Path(held.directory) / "here/planted").read_bytes() == b"good"
        # What a path through a symlink holds may change behind its digest.
        assert held.file_digest("x/planted") is None

    with_store(tmp_path, work)
    assert not list(victim.iterdir())
    assert not list((tmp_path / "build/contexts/objects").rglob("planted"))


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"../out": b"x"}, "outside of the archive's root"),
        ({"dev": member("dev", b"3")}, "cannot hold devices"),
        ({"hard": member("hard", b"1", "../../objects")}, "outside of the archive's root"),
        ({"a": b"x" * 300_000}, "exceeds the limit of 200000 bytes"),
        ({f"f{n}": b"" for n in range(60)}, "exceeds the limit of 50 entries"),
    ],
)
def test_hostile_archives_are_refused(
    tmp_path: Path, files: dict[str, bytes | tarfile.TarInfo], message: str
) -> None:
    async def work(store: LocalContextStore) -> None:
        with pytest.raises(InvalidArgument, match=message):
            await store.receive(in_pieces(tar(files)))
        await store.settle()
        assert not list((tmp_path / "build/contexts/trees").iterdir())

    with_store(tmp_path, work, Limits(size=200_000, entries=50))


def test_trees_of_a_dead_daemon_go_and_contents_stay(tmp_path: Path) -> None:
    async def leave(store: LocalContextStore) -> None:
        await store.receive(in_pieces(tar({"a": b"kept"})))

    async def find(store: LocalContextStore) -> None:
        await store.settle()
        assert not list((tmp_path / "build/contexts/trees").iterdir())
        sender = Sender({"a": b"kept"})
        await store.assemble(sender)
        assert not sender.sent_files

    with_store(tmp_path, leave)
    with_store(tmp_path, find)


def test_contents_of_another_boot_are_not_believed(tmp_path: Path) -> None:
    async def leave(store: LocalContextStore) -> None:
        await store.receive(in_pieces(tar({"a": b"kept"})))

    async def find(store: LocalContextStore) -> None:
        sender = Sender({"a": b"kept"})
        await store.assemble(sender)
        assert sender.sent_files == ["a"]

    with_store(tmp_path, leave)
    (tmp_path / "build/contexts/state").write_text("a boot before a power cut")
    with_store(tmp_path, find)


def test_a_client_that_leaves_leaves_nothing(tmp_path: Path) -> None:
    class Gone(Exception):
        pass

    async def half() -> object:
        yield tar({"a": b"x" * 100_000})[:50_000]
        raise Gone

    async def work(store: LocalContextStore) -> None:
        with pytest.raises(Gone):
            await store.receive(half())  # type: ignore[arg-type]
        await store.settle()
        assert not list((tmp_path / "build/contexts/trees").iterdir())

    with_store(tmp_path, work)


def test_contents_are_bounded(tmp_path: Path) -> None:
    async def run() -> None:
        async with open_store(tmp_path, keep=1 << 20) as store:
            for _ in range(4):
                held = await store.receive(in_pieces(tar({"f": os.urandom(700_000)})))
                await held.close()
                await store.settle()
            total, _ = await store.usage()
            # What was let go of a moment ago may still be held by its tree.
            assert total <= (1 << 20) + 700_000

    asyncio.run(run())
