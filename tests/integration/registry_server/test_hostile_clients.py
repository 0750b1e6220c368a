"""Group G of the threats: each attack on the registry beside its benign twin."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from pathlib import Path
from urllib.parse import quote

import pytest

from support.registry_server import RegistryServer, digest_of, index, manifest, with_digest
from wharfie.formats.oci.descriptor import OCI_INDEX, OCI_MANIFEST
from wharfie.registry.config import Config, Limits, Quota, StorageConfig
from wharfie.registry.storage.local.objects import LocalStaging

UNKNOWN = "sha256:" + "0" * 64


def tree(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*")}


@pytest.mark.parametrize(
    "suffix", ["", "?", "?force=true", "?digest=x", "/", "%20", "?_method=DELETE", "#x"]
)
def test_g1_cve_2026_41888_deletion_when_off(tmp_path: Path, suffix: str) -> None:
    """Whatever is added to the path: nothing is deleted where deletion is off."""
    with RegistryServer(tmp_path) as registry:
        digest = registry.push_image("app", "v1")
        blob = registry.push_blob("app", b"loose")
        before = tree(tmp_path)
        for path in (
            "manifests/v1",
            f"manifests/{digest}",
            f"blobs/{blob}",
            f"referrers/{digest}",
            "tags/list",
            "tags/v1",
            "",
        ):
            for headers in ({}, {"X-HTTP-Method-Override": "DELETE"}):
                method = "GET" if headers else "DELETE"
                answer = registry.ask(method, f"/v2/app/{path}{suffix}", **headers)
                assert answer.status in ((200, 400, 404) if headers else (400, 404, 405))
        assert tree(tmp_path) == before
        assert registry.ask("GET", "/v2/app/manifests/v1").status == 200


def test_g1_twin_deletion_when_on(tmp_path: Path) -> None:
    with RegistryServer(tmp_path, Config(storage=StorageConfig(delete=True))) as registry:
        registry.push_image("app", "v1")
        assert registry.ask("DELETE", "/v2/app/manifests/v1?").status == 202


@pytest.mark.parametrize("size", ["1000000000", "999999999999999999", "2147483648"])
def test_g3_cve_2023_2253_a_page_is_bounded(tmp_path: Path, size: str) -> None:
    """However many are asked for; following the links, all are found."""
    names = [f"t{number:05}" for number in range(1200)]
    top = tmp_path / "docker/registry/v2/repositories"
    for name in names:
        link = top / "app/_manifests/tags" / name / "current/link"
        link.parent.mkdir(parents=True)
        link.write_text(UNKNOWN)
        (top / f"many/{name}/_manifests").mkdir(parents=True)
    with RegistryServer(tmp_path, Config(limits=Limits(page=500))) as registry:
        for path, member in (("app/tags/list", "tags"), ("_catalog", "repositories")):
            asked = f"/v2/{path}?n={size}"
            found: list[str] = []
            while asked:
                answer = registry.ask("GET", asked)
                assert len(answer.json[member]) <= 500
                found += answer.json[member]
                asked = answer.headers.get("link", "").partition(">")[0].removeprefix("<")
            assert len(found) == len(set(found)) >= 1200


@pytest.mark.parametrize("size", ["-1", "1e9", "x", "0x10", "1" * 30, "%00", "1 ", "+1", "٣"])
def test_g3_a_page_size_that_is_none_is_400(tmp_path: Path, size: str) -> None:
    with RegistryServer(tmp_path) as registry:
        registry.push_image("app", "v1")
        for path in ("app/tags/list", "_catalog", f"app/referrers/{UNKNOWN}"):
            answer = registry.ask("GET", f"/v2/{path}?n={quote(size, safe='%')}")
            assert (answer.status, answer.codes) == (400, ["PAGINATION_NUMBER_INVALID"])


def test_g3_a_flood_of_parameters_is_refused(tmp_path: Path) -> None:
    with RegistryServer(tmp_path) as registry:
        registry.push_image("app", "v1")
        query = "&".join(f"n{number}=1" for number in range(5000))
        assert registry.ask("GET", f"/v2/app/tags/list?{query}").status == 405
        assert registry.ask("GET", "/v2/app/tags/list?n=1&last=a&x=y").status == 200


TRICKS = [
    "../../etc/passwd",
    "..%2f..%2fetc%2fpasswd",
    "%2e%2e/%2e%2e",
    "a/../../b",
    "a%00b",
    "a\\..\\b",
    "_layers/x",
    "a/_manifests",
    "a//b",
    "a/./b",
    "~root",
    "a%252e%252e",
]


@pytest.mark.parametrize("trick", TRICKS)
def test_g5_a_name_does_not_leave_the_root(tmp_path: Path, trick: str) -> None:
    root = tmp_path / "root"
    with RegistryServer(root) as registry:
        registry.push_blob("honest", b"{}")
        before = tree(tmp_path)
        data = json.dumps(manifest(b"{}")).encode()
        for method, path in (
            ("GET", f"/v2/{trick}/manifests/latest"),
            ("PUT", f"/v2/{trick}/manifests/latest"),
            ("POST", f"/v2/{trick}/blobs/uploads/"),
            ("POST", f"/v2/honest/blobs/uploads/?mount={UNKNOWN}&from={trick}"),
            ("PATCH", f"/v2/honest/blobs/uploads/{trick}"),
            ("PUT", f"/v2/honest/blobs/uploads/{trick}?digest={digest_of(data)}"),
            ("DELETE", f"/v2/honest/blobs/uploads/{trick}"),
            ("PUT", f"/v2/honest/manifests/{trick}"),
            ("GET", f"/v2/honest/blobs/{trick}"),
            ("GET", f"/v2/honest/blobs/sha256:{trick}"),
            ("GET", f"/v2/honest/manifests/sha256:{trick}"),
            ("GET", f"/v2/honest/referrers/{trick}"),
            ("GET", f"/v2/honest/tags/list?last={trick}"),
        ):
            answer = registry.ask(method, path, data)
            assert answer.status in (200, 202, 400, 404, 405), (method, path, answer)
            assert b"root:" not in answer.body
        made = {one for one in tree(tmp_path) - before if "/_uploads" not in one}
        assert not made


@pytest.mark.parametrize("name", ["a/b/c", "a.b-c__d/e", "0", "a" * 255])
def test_g5_twin_an_honest_name(tmp_path: Path, name: str) -> None:
    with RegistryServer(tmp_path) as registry:
        registry.push_image(name, "latest")
        assert registry.ask("GET", f"/v2/{name}/manifests/latest").status == 200


def test_g5_two_clients_cannot_mix_their_bytes(tmp_path: Path) -> None:
    """Concurrent PATCHes of one upload: what becomes a blob is what its digest says, or nothing."""
    with RegistryServer(tmp_path) as registry:
        for _ in range(5):
            location = registry.begin("app")
            pieces = [bytes([n]) * 400_000 for n in range(4)]
            statuses: list[int] = []

            def patch(piece: bytes, location=location, statuses=statuses) -> None:
                chunks = (piece[at : at + 10_000] for at in range(0, len(piece), 10_000))
                answer = registry.ask("PATCH", location, chunks, Transfer_Encoding="chunked")
                statuses.append(answer.status)

            threads = [threading.Thread(target=patch, args=(piece,)) for piece in pieces]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert statuses == [202] * 4
            (file,) = (tmp_path / "docker/registry/v2/repositories/app/_uploads").rglob("data")
            data = file.read_bytes()
            # One after the other, in some order; never interleaved.
            assert sorted(data[at : at + 400_000] for at in range(0, 1_600_000, 400_000)) == pieces
            done = registry.ask("PUT", with_digest(location, digest_of(data)), b"")
            assert done.status == 201
            assert registry.ask("GET", f"/v2/app/blobs/{digest_of(data)}").body == data


def test_g5_a_client_that_leaves_halfway_can_go_on(tmp_path: Path) -> None:
    with RegistryServer(tmp_path) as registry:
        location = registry.begin("app")
        data = os.urandom(500_000)
        with socket.create_connection(("127.0.0.1", registry.port)) as raw:
            head = f"PATCH {location} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(data)}\r\n\r\n"
            raw.sendall(head.encode() + data[:300_000])
        deadline = time.monotonic() + 10
        received = 0
        while received < 300_000 and time.monotonic() < deadline:
            state = registry.ask("GET", location)
            received = int(state.headers["range"].partition("-")[2]) + 1
        assert received == 300_000
        done = registry.ask("PUT", with_digest(location, digest_of(data)), data[300_000:])
        assert done.status == 201


def test_g5_an_offset_lie_changes_nothing(tmp_path: Path) -> None:
    with RegistryServer(tmp_path) as registry:
        location = registry.begin("app")
        registry.ask("PATCH", location, b"0123456789")
        for asked in ("0-4", "11-15", "9-13", "99999999999999999-99999999999999999"):
            assert registry.ask("PATCH", location, b"xxxxx", Content_Range=asked).status == 416
        done = registry.ask("PUT", with_digest(location, digest_of(b"0123456789")), b"")
        assert done.status == 201


def test_g5_other_bytes_never_become_a_blob(tmp_path: Path) -> None:
    with RegistryServer(tmp_path) as registry:
        victim = registry.push_blob("app", b"right")
        for name in ("app", "other"):
            location = registry.begin(name)
            refused = registry.ask("PUT", with_digest(location, victim), b"wrong")
            assert refused.codes == ["DIGEST_INVALID"]
        assert registry.ask("GET", f"/v2/app/blobs/{victim}").body == b"right"
        assert registry.ask("GET", f"/v2/other/blobs/{victim}").status == 404


def test_a_quota_is_kept(tmp_path: Path) -> None:
    quotas = (Quota("small/**", 250_000), Quota("**", 10_000_000))
    config = Config(storage=StorageConfig(delete=True, quotas=quotas))
    with RegistryServer(tmp_path, config) as registry:
        first = registry.push_blob("small/app", os.urandom(200_000))
        data = os.urandom(100_000)
        # Announced, streamed, mounted, already here: refused whichever way.
        registry.push_blob("large", data)
        announced = registry.ask("PUT", with_digest(registry.begin("small/app"), UNKNOWN), data)
        pieces = (data[at : at + 1000] for at in range(0, len(data), 1000))
        path = registry.begin("small/app")
        streamed = registry.ask("PATCH", path, pieces, Transfer_Encoding="chunked")
        path = f"/v2/small/app/blobs/uploads/?mount={digest_of(data)}&from=large"
        mounted = registry.ask("POST", path)
        for answer in (announced, streamed, mounted):
            assert (answer.status, answer.codes) == (403, ["DENIED"])
        assert registry.ask("GET", f"/v2/small/app/blobs/{digest_of(data)}").status == 404
        # The same blob again costs nothing; a deleted one gives its room back.
        assert registry.ask("DELETE", f"/v2/small/app/blobs/{first}").status == 202
        registry.push_blob("small/app", data)
        registry.push_blob("small/app", data)
        registry.push_blob("small/app2", os.urandom(200_000))


def test_a_blob_that_is_too_large_is_refused(tmp_path: Path) -> None:
    with RegistryServer(tmp_path, Config(limits=Limits(blob=100_000))) as registry:
        data = os.urandom(100_001)
        announced = registry.ask("PUT", with_digest(registry.begin("app"), digest_of(data)), data)
        pieces = (data[at : at + 1000] for at in range(0, len(data), 1000))
        streamed = registry.ask("PATCH", registry.begin("app"), pieces, Transfer_Encoding="chunked")
        for answer in (announced, streamed):
            assert (answer.status, answer.codes) == (413, ["SIZE_INVALID"])
        registry.push_blob("app", data[:100_000])


def test_unfinished_uploads_are_bounded(tmp_path: Path) -> None:
    with RegistryServer(tmp_path, Config(limits=Limits(uploads=5))) as registry:
        begun = [registry.begin("app") for _ in range(5)]
        refused = registry.ask("POST", "/v2/app/blobs/uploads/")
        assert (refused.status, refused.codes) == (429, ["TOOMANYREQUESTS"])
        assert refused.headers["retry-after"]
        registry.begin("other")
        registry.ask("DELETE", begun[0])
        registry.begin("app")


def test_a_manifest_of_too_many_parts_is_refused(tmp_path: Path) -> None:
    with RegistryServer(tmp_path, Config(limits=Limits(references=100))) as registry:
        entries = [
            {"mediaType": OCI_MANIFEST, "digest": f"sha256:{n:064x}", "size": 1} for n in range(101)
        ]
        data = json.dumps(index(*entries)).encode()
        refused = registry.ask("PUT", "/v2/app/manifests/v1", data, Content_Type=OCI_INDEX)
        assert refused.codes == ["MANIFEST_INVALID"]
        data = json.dumps(index(*entries[:100])).encode()
        refused = registry.ask("PUT", "/v2/app/manifests/v1", data, Content_Type=OCI_INDEX)
        assert set(refused.codes) == {"MANIFEST_BLOB_UNKNOWN"}


def test_a_client_that_does_not_read_costs_no_thread(tmp_path: Path) -> None:
    """More stalled downloads than there are threads; somebody else is served all the same."""
    with RegistryServer(tmp_path) as registry:
        data = os.urandom(20_000_000)
        digest = registry.push_blob("app", data)
        stalled = []
        for _ in range(60):
            raw = socket.create_connection(("127.0.0.1", registry.port))
            raw.sendall(f"GET /v2/app/blobs/{digest} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            stalled.append(raw)
        for raw in stalled:
            raw.recv(1)
        assert registry.ask("GET", f"/v2/app/blobs/{digest}").body == data
        for raw in stalled:
            raw.close()


def test_a_full_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the specification's form, and the upload goes on once there is room."""
    with RegistryServer(tmp_path) as registry:
        location = registry.begin("app")
        registry.ask("PATCH", location, b"first ")

        async def fail(*_: object) -> None:
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as full:
            full.setattr(LocalStaging, "append", fail)
            refused = registry.ask("PATCH", location, b"lost")
            assert (refused.status, refused.codes) == (503, ["UNAVAILABLE"])
            assert "No space left" in refused.json["errors"][0]["message"]
        digest = digest_of(b"first second")
        assert registry.ask("PUT", with_digest(location, digest), b"second").status == 201


@pytest.mark.parametrize("chunk", [b"zz\r\n", b"5\r\nab", b"-1\r\n", b"5\nhello\n"])
def test_a_malformed_body_is_refused(tmp_path: Path, chunk: bytes) -> None:
    with RegistryServer(tmp_path) as registry:
        location = registry.begin("app")
        with socket.create_connection(("127.0.0.1", registry.port), timeout=20) as raw:
            head = f"PATCH {location} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
            raw.sendall(head.encode() + chunk)
            raw.shutdown(socket.SHUT_WR)
            answer = b""
            while piece := raw.recv(65536):
                answer += piece
        status = answer.partition(b"\r\n")[0]
        assert b" 400 " in status
        assert json.loads(answer.partition(b"\r\n\r\n")[2])["errors"][0]["code"]
        digest = digest_of(b"whole")
        path = with_digest(registry.begin("app"), digest)
        assert registry.ask("PUT", path, b"whole").status == 201
