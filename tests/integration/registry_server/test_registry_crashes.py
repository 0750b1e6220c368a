"""`kill -9` anywhere: no manifest points to a missing blob, no byte differs from its digest."""

from __future__ import annotations

import contextlib
import http.client
import json
import multiprocessing
import os
import random
import signal
import threading
import time
from pathlib import Path

import pytest

from support.registry_crashing import serve
from support.registry_server import Client, digest_of, manifest, with_digest
from wharfie.formats.oci.descriptor import OCI_MANIFEST

KILLS = 100
TOP = "docker/registry/v2"


class Work:
    """Clients that push and delete; remembers what was acknowledged."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.there: dict[str, bytes] = {}
        self.unsure: set[str] = set()
        self.acknowledged = 0

    def run(self, client: Client, name: str, stop: threading.Event) -> None:
        while not stop.is_set():
            try:
                self._turn(client, name)
            except (OSError, http.client.HTTPException):
                return

    def _turn(self, client: Client, name: str) -> None:
        tag = f"t{self.random.randrange(6)}"
        key = f"{name}:{tag}"
        if self.random.random() < 0.25:
            self.unsure.add(key)
            client.ask("DELETE", f"/v2/{name}/manifests/{tag}")
            self.there.pop(key, None)
            self.unsure.discard(key)
            return
        layers = [os.urandom(self.random.choice((10, 3000, 200_000))), b"shared by all"]
        config = os.urandom(20)
        for blob in (config, *layers):
            self._push(client, name, blob)
        data = json.dumps(manifest(config, *layers)).encode()
        self.unsure.add(key)
        path = f"/v2/{name}/manifests/{tag}"
        done = client.ask("PUT", path, data, Content_Type=OCI_MANIFEST)
        if done.status == 201:
            self.there[key] = data
            self.acknowledged += 1
        else:
            # Without any grace the collector may be faster than a push.
            assert done.codes[0] == "MANIFEST_BLOB_UNKNOWN", done
        self.unsure.discard(key)

    def _push(self, client: Client, name: str, blob: bytes) -> None:
        location = client.begin(name)
        digest = digest_of(blob)
        half = len(blob) // 2
        if self.random.random() < 0.5 and half:
            client.ask("PATCH", location, blob[:half])
            blob = blob[half:]
        done = client.ask("PUT", with_digest(location, digest), blob)
        assert done.status == 201, done


def check_whole(root: Path, works: list[Work]) -> int:
    """Everything that is named is there and right; returns the number of manifests."""
    found = 0
    top = root / TOP / "repositories"
    for tag in top.glob("*/_manifests/tags/*/current/link"):
        repository = tag.relative_to(top).parts[0]
        digest = tag.read_text()
        folder = top / repository / "_manifests/revisions" / digest.replace(":", "/")
        assert (folder / "link").read_text() == digest
    for revision in top.glob("*/_manifests/revisions/*/*/link"):
        repository = revision.relative_to(top).parts[0]
        data = read_blob(root, revision.read_text())
        document = json.loads(data)
        for one in (document["config"], *document["layers"]):
            link = top / repository / "_layers" / one["digest"].replace(":", "/") / "link"
            assert link.read_text() == one["digest"]
            assert len(read_blob(root, one["digest"])) == one["size"]
        found += 1
    for data in (root / TOP / "blobs").rglob("data"):
        assert digest_of(data.read_bytes()) == f"sha256:{data.parent.name}"
    for work in works:
        for key, expected in work.there.items():
            repository, _, tag = key.partition(":")
            if key not in work.unsure:
                link = top / repository / "_manifests/tags" / tag / "current/link"
                assert link.read_text() == digest_of(expected), "an acknowledged push is lost"
    return found


def read_blob(root: Path, digest: str) -> bytes:
    algorithm, _, encoded = digest.partition(":")
    data = (root / TOP / "blobs" / algorithm / encoded[:2] / encoded / "data").read_bytes()
    assert digest_of(data) == digest
    return data


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_kill_at_any_point_leaves_everything_whole(tmp_path: Path) -> None:
    """Must hold 2, with pushes, deletions and collections under way at each of 100 kills."""
    seed = int(os.environ.get("WHARFIE_SEED", random.randrange(1 << 30)))
    print("seed", seed)
    chance = random.Random(seed)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["wharfie.registry.wiring", "support.registry_crashing"])
    works = [Work(seed + number) for number in range(3)]
    manifests = 0
    for kill in range(KILLS):
        receiver, sender = context.Pipe(duplex=False)
        process = context.Process(target=serve, args=(str(tmp_path), sender), daemon=True)
        process.start()
        sender.close()
        assert receiver.poll(30)
        host, _, port = receiver.recv().rpartition(":")
        client = Client(host, int(port))
        if kill % 10 == 0:
            for key, data in [pair for work in works for pair in work.there.items()]:
                name, _, tag = key.partition(":")
                assert client.ask("GET", f"/v2/{name}/manifests/{tag}").body == data
        stop = threading.Event()
        threads = [
            threading.Thread(target=work.run, args=(client, f"repo{number}", stop))
            for number, work in enumerate(works)
        ]
        for thread in threads:
            thread.start()
        time.sleep(chance.uniform(0.005, 0.25))
        os.kill(process.pid or 0, signal.SIGKILL)
        process.join(20)
        stop.set()
        for thread in threads:
            thread.join(20)
        receiver.close()
        # What a kill left unknown is known again from the disk.
        for work in works:
            for key in work.unsure:
                work.there.pop(key, None)
            work.unsure.clear()
        manifests = check_whole(tmp_path, works)
    assert sum(work.acknowledged for work in works) > KILLS / 2
    assert manifests


@pytest.mark.timeout(60)
def test_an_upload_survives_a_kill(tmp_path: Path) -> None:
    context = multiprocessing.get_context("forkserver")
    data = os.urandom(900_000)
    location = ""
    for turn in range(3):
        receiver, sender = context.Pipe(duplex=False)
        process = context.Process(target=serve, args=(str(tmp_path), sender, 3600.0), daemon=True)
        process.start()
        host, _, port = receiver.recv().rpartition(":")
        client = Client(host, int(port))
        location = location or client.begin("app")
        state = client.ask("GET", location)
        received = int(state.headers["range"].partition("-")[2]) + 1 if turn else 0
        assert received == turn * 300_000
        chunk = data[received : received + 300_000]
        end = received + len(chunk) - 1
        done = client.ask("PATCH", location, chunk, Content_Range=f"{received}-{end}")
        assert done.status == 202
        if turn == 2:
            done = client.ask("PUT", with_digest(location, digest_of(data)), b"")
            assert done.status == 201
            got = client.ask("GET", f"/v2/app/blobs/{digest_of(data)}")
            assert got.body == data
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid or 0, signal.SIGKILL)
        process.join(20)
