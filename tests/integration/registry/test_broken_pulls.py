"""Pulls that break off: by the network, by the user, by rivals; what came is not fetched again."""

from __future__ import annotations

import asyncio
import base64
import gzip
import random
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from support.image_archives import tar
from support.registry import Handler, Registry, digest_of
from support.registry_engine import Engine, texts
from wharfie.drivers.content.partial import CHUNK
from wharfie.model.errors import EngineError, NotFound
from wharfie.model.registry import Credentials, RegistryUnreachable
from wharfie.web.client import Dialer, Proxies, parse_url

SMALL = tar({"a": b"1" * 100})
BIG = tar({"big": random.Random(7).randbytes(40 << 20)})
BIG_BLOB = gzip.compress(BIG, 0)


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Engine]:
    engine = Engine(tmp_path)
    yield engine
    await engine.close()


@pytest.fixture
def registry() -> Iterator[Registry]:
    with Registry() as registry:
        yield registry


class Cutter:
    """Serves the big blob honestly, but breaks off `cuts` times after a random number of bytes."""

    def __init__(self, registry: Registry, cuts: int) -> None:
        self.random = random.Random(cuts)
        self.cuts = cuts
        self.sent = 0
        self._registry = registry
        self._lock = threading.Lock()

    def __call__(self, handler: Handler) -> bool:
        if digest_of(BIG_BLOB) not in handler.path:
            return False
        data = BIG_BLOB
        wanted = handler.headers.get("Range") if self._registry.ranges else None
        handler.send_response(206 if wanted else 200)
        if wanted:
            start, end = (int(text) for text in wanted.removeprefix("bytes=").split("-"))
            data = data[start : end + 1]
            handler.send_header("Content-Range", f"bytes {start}-{end}/{len(BIG_BLOB)}")
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        with self._lock:
            is_cut = self.cuts > 0
            self.cuts -= is_cut
            size = self.random.randrange(len(data)) if is_cut else len(data)
        handler.wfile.write(data[:size])
        with self._lock:
            self.sent += size
        if is_cut:
            handler.hang_up()
        return True


async def test_a_pull_cut_twenty_times_fetches_at_most_a_chunk_twice_each_time(
    engine: Engine, registry: Registry
) -> None:
    built = registry.add_image("app", "1", [SMALL, BIG], blobs=[gzip.compress(SMALL), BIG_BLOB])
    cutter = Cutter(registry, 20)
    registry.rules.append(cutter)
    await engine.pull(f"{registry.host}/app:1")
    assert cutter.cuts == 0
    assert cutter.sent - len(BIG_BLOB) <= 20 * CHUNK
    assert engine.images.get(f"{registry.host}/app:1").id == built.id


async def test_without_ranges_only_what_is_missing_is_kept(
    engine: Engine, registry: Registry
) -> None:
    registry.ranges = False
    registry.add_image("app", "1", [BIG], blobs=[BIG_BLOB])
    registry.rules.append(Cutter(registry, 3))
    await engine.pull(f"{registry.host}/app:1")
    assert engine.images.count == 1


async def test_a_pull_that_fails_for_good_is_gone_on_with_by_the_next(
    engine: Engine, registry: Registry
) -> None:
    registry.add_image("app", "1", [SMALL, BIG], blobs=[gzip.compress(SMALL), BIG_BLOB])

    def down(handler: Handler) -> bool:
        if digest_of(BIG_BLOB) not in handler.path:
            return False
        if registry.sent < 16 << 20:
            return False
        handler.error(503, "UNAVAILABLE", "down for a while")
        return True

    registry.rules.append(down)
    with pytest.raises(RegistryUnreachable, match="down for a while"):
        await engine.pull(f"{registry.host}/app:1")
    assert engine.images.count == 0
    assert engine.left()
    registry.rules.clear()
    registry.sent = 0
    await engine.pull(f"{registry.host}/app:1")
    assert registry.sent <= len(BIG_BLOB) - (15 << 20)
    assert not [name for name in engine.left() if "." in name]


async def test_who_leaves_cancels_the_pull_and_frees_everything(
    engine: Engine, registry: Registry
) -> None:
    registry.add_image("app", "1", [BIG], blobs=[BIG_BLOB])
    reached, release = threading.Event(), threading.Event()

    def stall(handler: Handler) -> bool:
        wanted = handler.headers.get("Range") or ""
        if not wanted.startswith(f"bytes={32 << 20}-"):
            return False
        reached.set()
        release.wait(20)
        handler.hang_up()
        return True

    registry.rules.append(stall)
    before = len(asyncio.all_tasks())
    pull = asyncio.ensure_future(engine.pull(f"{registry.host}/app:1"))
    await asyncio.to_thread(reached.wait, 20)
    async with asyncio.timeout(20):
        while registry.sent < 28 << 20:  # the other ranges are on their way still
            await asyncio.sleep(0.01)
    pull.cancel()
    async with asyncio.timeout(5):
        await asyncio.gather(pull, return_exceptions=True)
    assert pull.cancelled()
    assert len(asyncio.all_tasks()) == before
    assert not engine.content._partials._locks
    release.set()
    registry.rules.clear()
    registry.sent = 0
    await engine.pull(f"{registry.host}/app:1")
    assert registry.sent < len(BIG_BLOB) // 2


async def test_many_pulls_at_once_fetch_each_blob_once(engine: Engine, registry: Registry) -> None:
    blobs = [gzip.compress(SMALL), BIG_BLOB]
    for tag in range(16):
        own = tar({"own": b"%d" % tag})
        registry.add_image("app", str(tag), [SMALL, BIG, own], blobs=[*blobs, gzip.compress(own)])
    pulls = [engine.pull(f"{registry.host}/app:{tag}") for tag in range(16)]
    await asyncio.gather(*pulls)
    assert engine.images.count == 16
    asked = [path for path in registry.paths() if digest_of(BIG_BLOB) in path]
    assert len(asked) == 6  # spans of one download
    assert not [name for name in engine.left() if "." in name]


async def test_mirrors_come_first_and_without_credentials(tmp_path: Path) -> None:
    with Registry() as mirror, Registry(user="joe:secret") as upstream:
        for one in (mirror, upstream):
            one.add_image("app", "1", [SMALL])
        upstream.add_image("app", "2", [SMALL, SMALL])
        joe = Credentials(username="joe", password="secret")
        for mirrors in (
            {upstream.host: [parse_url(f"http://{mirror.host}/")]},
            {"*": [parse_url("http://127.0.0.1:1/"), parse_url(f"http://{mirror.host}/")]},
        ):
            engine = Engine(tmp_path / str(len(mirror.requests)), mirrors=mirrors)
            upstream.requests.clear()
            await engine.pull(f"{upstream.host}/app:1", credentials=joe)
            assert engine.images.get(f"{upstream.host}/app:1").tags
            assert not upstream.requests
            await engine.pull(f"{upstream.host}/app:2", credentials=joe)
            assert upstream.requests
            await engine.close()
        assert all("authorization" not in asked.headers for asked in mirror.requests)


async def test_a_mirror_that_lies_is_passed_over(tmp_path: Path) -> None:
    with Registry() as mirror, Registry() as upstream:
        for one in (mirror, upstream):
            one.add_image("app", "1", [SMALL])
        blob = gzip.compress(SMALL, 1, mtime=0)
        mirror.blobs[digest_of(blob)] = bytes(len(blob))
        mirrors = {upstream.host: [parse_url(f"http://{mirror.host}/")]}
        engine = Engine(tmp_path, mirrors=mirrors)
        await engine.pull(f"{upstream.host}/app:1")
        assert engine.images.count == 1
        await engine.close()


class Proxy:
    """A proxy for tunnels and plain requests, wanting a user; counts what it is asked for."""

    def __init__(self, user: str = "") -> None:
        self.asked: list[str] = []
        self._user = base64.b64encode(user.encode()).decode() if user else ""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.host = f"127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._one, args=(client,), daemon=True).start()

    def _one(self, client: socket.socket) -> None:
        with client:
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                more = client.recv(1)
                if not more:
                    return
                head += more
            line, _, fields = head.decode().partition("\r\n")
            self.asked.append(line)
            if self._user and f"Proxy-Authorization: Basic {self._user}" not in fields:
                client.sendall(b"HTTP/1.1 407 no\r\nContent-Length: 0\r\n\r\n")
                return
            method, target, _ = line.split(" ")
            if method == "CONNECT":
                with socket.create_connection(("127.0.0.1", int(target.rpartition(":")[2]))) as up:
                    client.sendall(b"HTTP/1.1 200 yes\r\n\r\n")
                    back = threading.Thread(target=_pump, args=(up, client), daemon=True)
                    back.start()
                    _pump(client, up)
                    back.join()
                return
            url = parse_url(target)
            with socket.create_connection(("127.0.0.1", url.port)) as up:
                fields = "".join(
                    f"{field}\r\n"
                    for field in fields.split("\r\n")
                    if field and not field.lower().startswith(("proxy-", "connection"))
                )
                request = f"{method} {url.target} HTTP/1.1\r\n{fields}Connection: close\r\n\r\n"
                up.sendall(request.encode())
                _pump(up, client)


def _pump(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass


class Elsewhere(Dialer):
    """Takes loopback for somewhere else: nothing on loopback is asked through a proxy."""

    async def addresses(self, host: str, port: int) -> list[str]:
        return ["127.0.0.1"]


@pytest.mark.parametrize("user", ["", "me:pass word"])
async def test_a_proxy_is_asked_for_what_it_is_for(tmp_path: Path, user: str) -> None:
    proxy = Proxy(user)
    prefix = f"{user.replace(' ', '%20')}@" if user else ""
    with Registry() as registry:
        registry.add_image("app", "1", [SMALL])
        proxies = Proxies.of(http=f"http://{prefix}{proxy.host}", exceptions="other.test")
        engine = Engine(
            tmp_path / "1",
            dialer=Elsewhere(proxies=proxies),
            insecure=["registry.test", "other.test"],
        )
        await engine.pull(f"registry.test:{registry.port}/app:1")
        assert proxy.asked[-1].startswith(f"GET http://registry.test:{registry.port}/v2/app/")
        count = len(proxy.asked)
        await engine.pull(f"other.test:{registry.port}/app:1")
        assert len(proxy.asked) == count
        await engine.close()
    proxy.close()


async def test_a_proxy_that_refuses_is_named(tmp_path: Path) -> None:
    proxy = Proxy("me:pass")
    proxies = Proxies.of(https=f"http://{proxy.host}")
    engine = Engine(tmp_path, dialer=Elsewhere(proxies=proxies))
    with pytest.raises(EngineError, match="the proxy answered 407"):
        await engine.pull("registry.test/app:1")
    assert proxy.asked == ["CONNECT registry.test:443 HTTP/1.1"]
    proxy.close()
    await engine.close()


async def test_an_insecure_registry_is_exactly_the_one_listed(
    tmp_path: Path, registry: Registry
) -> None:
    registry.add_image("app", "1", [SMALL])

    class Public(Dialer):
        async def addresses(self, host: str, port: int) -> list[str]:
            return ["8.8.8.8"]

        async def _open(self, url, address, tls):  # type: ignore[no-untyped-def]
            return await super()._open(url, "127.0.0.1", tls)

    good = Engine(tmp_path / "1", dialer=Public(), insecure=[f"reg.test:{registry.port}"])
    await good.pull(f"reg.test:{registry.port}/app:1")
    await good.close()
    for listed in ("reg.test:1", "g.test", f"xreg.test:{registry.port}", "10.0.0.0/8"):
        bad = Engine(tmp_path / "2", dialer=Public(), insecure=[listed], attempts=1)
        with pytest.raises(RegistryUnreachable, match="HTTP response to HTTPS client"):
            await bad.pull(f"reg.test:{registry.port}/app:1")
        await bad.close()
    by_network = Engine(tmp_path / "3", dialer=Public(), insecure=["8.8.0.0/16"])
    await by_network.pull(f"reg.test:{registry.port}/app:1")
    await by_network.close()


async def test_progress_counts_up_to_the_whole(engine: Engine, registry: Registry) -> None:
    registry.add_image("app", "1", [BIG], blobs=[BIG_BLOB])
    messages = await engine.pull(f"{registry.host}/app:1")
    details = [
        message["progressDetail"] for message in messages if message["status"] == "Downloading"
    ]
    assert details[-1] == {"current": len(BIG_BLOB), "total": len(BIG_BLOB)}
    numbers = [detail["current"] for detail in details]  # type: ignore[index]
    assert numbers == sorted(numbers)
    assert len(messages) < 200
    assert texts(messages)[-1].startswith("Status: Downloaded")


async def test_a_missing_blob_is_no_reason_to_wait(engine: Engine, registry: Registry) -> None:
    registry.add_image("app", "1", [SMALL])
    registry.repos["app"].blobs.clear()
    async with asyncio.timeout(5):
        with pytest.raises(NotFound, match="blob unknown"):
            await engine.pull(f"{registry.host}/app:1")
