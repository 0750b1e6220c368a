"""Workflow 2 of the OCI distribution specification 1.1, Push, statement by statement."""

import json
import re

import pytest

from support.registry_server import (
    RegistryServer,
    descriptor,
    digest_of,
    index,
    manifest,
    with_digest,
)
from wharfie.formats.oci.descriptor import OCI_CONFIG, OCI_LAYER, OCI_MANIFEST

UNKNOWN = "sha256:" + "0" * 64
DATA = bytes(range(256)) * 40


def has_blob(registry: RegistryServer, name: str, data: bytes) -> bool:
    answer = registry.ask("GET", f"/v2/{name}/blobs/{digest_of(data)}")
    return answer.status == 200 and answer.body == data


def test_2_1_post_then_put(registry: RegistryServer) -> None:
    """end-4a, end-6: 202 and 201, each with a Location; the last one is pullable."""
    begun = registry.ask("POST", "/v2/push/a/blobs/uploads/", b"")
    assert begun.status == 202
    assert re.search(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", begun.headers["location"])
    digest = digest_of(DATA)
    done = registry.ask("PUT", with_digest(begun.headers["location"], digest), DATA)
    assert done.status == 201
    assert done.headers["docker-content-digest"] == digest
    assert registry.ask("GET", done.headers["location"]).body == DATA


def test_2_2_a_single_post(registry: RegistryServer) -> None:
    """end-4b."""
    digest = digest_of(DATA)
    done = registry.ask("POST", f"/v2/push/b/blobs/uploads/?digest={digest}", DATA)
    assert done.status == 201
    assert registry.ask("GET", done.headers["location"]).body == DATA


def test_2_3_a_single_post_of_other_bytes_leaves_nothing(registry: RegistryServer) -> None:
    answer = registry.ask("POST", f"/v2/push/c/blobs/uploads/?digest={UNKNOWN}", DATA)
    assert (answer.status, answer.codes) == (400, ["DIGEST_INVALID"])
    assert not list((registry.root / "docker/registry/v2/repositories/push/c").rglob("data"))


def test_2_4_chunks_in_order(registry: RegistryServer) -> None:
    """end-5: each chunk is 202 with a Location; PUT closes the session."""
    location = registry.begin("push/d")
    for start in range(0, len(DATA), 3000):
        chunk = DATA[start : start + 3000]
        end = start + len(chunk) - 1
        done = registry.ask("PATCH", location, chunk, Content_Range=f"{start}-{end}")
        assert done.status == 202
        assert done.headers["range"] == f"0-{end}"
        location = done.headers["location"]
    done = registry.ask("PUT", with_digest(location, digest_of(DATA)), b"")
    assert done.status == 201
    assert has_blob(registry, "push/d", DATA)


def test_2_5_the_last_chunk_may_come_with_the_put(registry: RegistryServer) -> None:
    location = registry.begin("push/e")
    done = registry.ask("PATCH", location, DATA[:5000], Content_Range="0-4999")
    last = f"5000-{len(DATA) - 1}"
    path = with_digest(done.headers["location"], digest_of(DATA))
    assert registry.ask("PUT", path, DATA[5000:], Content_Range=last).status == 201
    assert has_blob(registry, "push/e", DATA)


@pytest.mark.parametrize("method", ["PATCH", "PUT"])
@pytest.mark.parametrize("asked", ["4000-5999", "0-1999", "6000-7999", "5001-7000"])
def test_2_6_a_chunk_out_of_order_is_416(registry: RegistryServer, method: str, asked: str) -> None:
    """And the upload goes on where it was."""
    location = registry.begin("push/f")
    registry.ask("PATCH", location, DATA[:5000], Content_Range="0-4999")
    path = location if method == "PATCH" else with_digest(location, digest_of(DATA))
    refused = registry.ask(method, path, DATA[4000:6000], Content_Range=asked)
    assert refused.status == 416
    assert refused.headers["range"] == "0-4999"
    done = registry.ask("PUT", with_digest(location, digest_of(DATA)), DATA[5000:])
    assert done.status == 201


@pytest.mark.parametrize("asked", ["bogus", "5-1", "0-", "-5", "0-x", "0-" + "9" * 40])
def test_2_7_a_malformed_content_range_is_416(registry: RegistryServer, asked: str) -> None:
    location = registry.begin("push/f")
    assert registry.ask("PATCH", location, b"12345", Content_Range=asked).status == 416


def test_2_8_a_content_range_that_lies_about_its_length_is_refused(
    registry: RegistryServer,
) -> None:
    location = registry.begin("push/f")
    answer = registry.ask("PATCH", location, b"12345", Content_Range="0-9")
    assert (answer.status, answer.codes) == (400, ["SIZE_INVALID"])


def test_2_9_a_stream_of_unknown_length(registry: RegistryServer) -> None:
    """What Docker sends: one PATCH without Content-Range, in HTTP's chunks."""
    location = registry.begin("push/g")
    pieces = (DATA[n : n + 700] for n in range(0, len(DATA), 700))
    done = registry.ask("PATCH", location, pieces, Transfer_Encoding="chunked")
    assert done.status == 202
    assert done.headers["range"] == f"0-{len(DATA) - 1}"
    path = with_digest(done.headers["location"], digest_of(DATA))
    assert registry.ask("PUT", path, b"").status == 201
    assert has_blob(registry, "push/g", DATA)


def test_2_10_the_state_of_an_upload(registry: RegistryServer) -> None:
    """end-13: 204 with Location and Range."""
    location = registry.begin("push/h")
    assert registry.ask("GET", location).headers["range"] == "0-0"
    registry.ask("PATCH", location, DATA[:777], Content_Range="0-776")
    state = registry.ask("GET", location)
    assert state.status == 204
    assert state.headers["range"] == "0-776"
    assert state.headers["location"]
    assert state.headers["docker-upload-uuid"] in location


@pytest.mark.parametrize("method", ["GET", "PATCH", "PUT", "DELETE"])
def test_2_11_an_unknown_upload_is_404(registry: RegistryServer, method: str) -> None:
    begun = registry.begin("push/i")
    elsewhere = begun.replace("push/i", "push/other")
    for path in (
        elsewhere,
        "/v2/push/i/blobs/uploads/nothing",
        "/v2/push/i/blobs/uploads/00000000-0000-4000-8000-000000000000",
    ):
        answer = registry.ask(method, with_digest(path, UNKNOWN), b"")
        assert (answer.status, answer.codes) == (404, ["BLOB_UPLOAD_UNKNOWN"])


def test_2_12_an_upload_can_be_cancelled(registry: RegistryServer) -> None:
    location = registry.begin("push/j")
    registry.ask("PATCH", location, DATA)
    assert registry.ask("DELETE", location).status == 204
    assert registry.ask("GET", location).status == 404
    assert registry.ask("PATCH", location, DATA).status == 404


def test_2_13_other_bytes_than_announced_are_refused(registry: RegistryServer) -> None:
    location = registry.begin("push/k")
    refused = registry.ask("PUT", with_digest(location, digest_of(b"other")), DATA)
    assert (refused.status, refused.codes) == (400, ["DIGEST_INVALID"])
    assert not has_blob(registry, "push/k", DATA)
    assert registry.ask("HEAD", f"/v2/push/k/blobs/{digest_of(b'other')}").status == 404


@pytest.mark.parametrize("digest", ["", "sha256:abc", "md5:" + "0" * 32, "x", "sha256:" + "g" * 64])
def test_2_14_a_malformed_digest_is_400(registry: RegistryServer, digest: str) -> None:
    location = registry.begin("push/l")
    refused = registry.ask("PUT", with_digest(location, digest), DATA)
    assert (refused.status, refused.codes) == (400, ["DIGEST_INVALID"])


def test_2_15_a_blob_is_mounted_from_another_repository(registry: RegistryServer) -> None:
    """end-11: 201 with a Location, and no byte sent."""
    digest = registry.push_blob("push/source", DATA)
    path = f"/v2/push/target/blobs/uploads/?mount={digest}&from=push/source"
    done = registry.ask("POST", path)
    assert done.status == 201
    assert registry.ask("GET", done.headers["location"]).body == DATA


@pytest.mark.parametrize(
    "query",
    [
        f"mount={UNKNOWN}&from=push/source",
        "mount={digest}&from=push/none",
        "mount={digest}",
        "mount={digest}&from=../../etc",
        "mount={digest}&from=",
    ],
)
def test_2_16_a_mount_that_fails_becomes_an_upload(registry: RegistryServer, query: str) -> None:
    digest = registry.push_blob("push/source", DATA)
    path = f"/v2/push/fallback/blobs/uploads/?{query.replace('{digest}', digest)}"
    begun = registry.ask("POST", path)
    assert begun.status == 202
    done = registry.ask("PUT", with_digest(begun.headers["location"], digest), DATA)
    assert done.status == 201


def test_2_17_a_manifest_by_tag_and_by_digest(registry: RegistryServer) -> None:
    """end-7: 201 with a pullable Location."""
    registry.push_blob("push/m", b"{}")
    data = json.dumps(manifest(b"{}")).encode()
    for reference in ("v1", digest_of(data), "a" * 128, "A_b.c-9"):
        path = f"/v2/push/m/manifests/{reference}"
        done = registry.ask("PUT", path, data, Content_Type=OCI_MANIFEST)
        assert done.status == 201
        assert done.headers["docker-content-digest"] == digest_of(data)
        assert registry.ask("GET", done.headers["location"]).body == data


def test_2_18_a_manifest_by_another_digest_is_refused(registry: RegistryServer) -> None:
    registry.push_blob("push/n", b"{}")
    data = json.dumps(manifest(b"{}")).encode()
    refused = registry.ask("PUT", f"/v2/push/n/manifests/{UNKNOWN}", data)
    assert (refused.status, refused.codes) == (400, ["DIGEST_INVALID"])


def test_2_19_a_manifest_whose_blobs_are_not_here_is_refused(registry: RegistryServer) -> None:
    """Every missing one is named."""
    data = json.dumps(manifest(b"config not here", b"layer not here")).encode()
    refused = registry.ask("PUT", "/v2/push/o/manifests/v1", data, Content_Type=OCI_MANIFEST)
    assert refused.status == 404
    assert refused.codes == ["MANIFEST_BLOB_UNKNOWN"] * 2
    assert [error["detail"]["digest"] for error in refused.json["errors"]] == [
        digest_of(b"config not here"),
        digest_of(b"layer not here"),
    ]


def test_2_20_a_layer_its_owner_keeps_need_not_be_here(registry: RegistryServer) -> None:
    registry.push_blob("push/p", b"{}")
    foreign = descriptor(b"theirs", OCI_LAYER, urls=["https://example.com/layer"])
    registry.push_manifest("push/p", manifest(b"{}", layers=[foreign]), "v1")


def test_2_21_an_index_needs_its_manifests(registry: RegistryServer) -> None:
    child = {"mediaType": OCI_MANIFEST, "digest": UNKNOWN, "size": 2}
    data = json.dumps(index(child)).encode()
    refused = registry.ask(
        "PUT", "/v2/push/q/manifests/v1", data, Content_Type=json.loads(data)["mediaType"]
    )
    assert (refused.status, refused.codes) == (404, ["MANIFEST_BLOB_UNKNOWN"])


def test_2_22_a_subject_need_not_be_here_and_is_told(registry: RegistryServer) -> None:
    """OCI-Subject tells the client that referrers are listed here."""
    registry.push_blob("push/r", b"{}")
    subject = {"mediaType": OCI_MANIFEST, "digest": UNKNOWN, "size": 2}
    data = json.dumps(manifest(b"{}", subject=subject)).encode()
    done = registry.ask("PUT", f"/v2/push/r/manifests/{digest_of(data)}", data)
    assert done.status == 201
    assert done.headers["oci-subject"] == UNKNOWN


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not json",
        b"[]",
        b"null",
        b'{"schemaVersion":1,"fsLayers":[]}',
        b'{"schemaVersion":2}',
        b'{"schemaVersion":2,"mediaType":"a/b","config":{"digest":"%b"}}' % UNKNOWN.encode(),
        b'{"schemaVersion":2,"config":{"mediaType":"x","digest":"../../x","size":1}}',
        b'{"schemaVersion":2,"config":{"mediaType":"x","digest":"%b","size":-1}}'
        % UNKNOWN.encode(),
        b"[" * 100_000,
        b'{"a":' * 50_000,
    ],
)
def test_2_23_what_is_no_manifest_is_refused(registry: RegistryServer, data: bytes) -> None:
    refused = registry.ask("PUT", "/v2/push/s/manifests/v1", data, Content_Type=OCI_MANIFEST)
    assert refused.status == 400
    assert refused.codes[0] in ("MANIFEST_INVALID", "DIGEST_INVALID")


def test_2_24_a_document_that_is_two_things_is_refused(registry: RegistryServer) -> None:
    """CVE-2021-41190: one client would see an image, another an index."""
    registry.push_blob("push/t", b"{}")
    for members in ({"manifests": []}, {"mediaType": "application/vnd.oci.image.index.v1+json"}):
        data = json.dumps(manifest(b"{}", **members)).encode()
        kind = json.loads(data)["mediaType"]
        refused = registry.ask("PUT", "/v2/push/t/manifests/v1", data, Content_Type=kind)
        assert (refused.status, refused.codes) == (400, ["MANIFEST_INVALID"])


def test_2_25_the_type_in_the_document_is_the_announced_one(registry: RegistryServer) -> None:
    registry.push_blob("push/u", b"{}")
    data = json.dumps(manifest(b"{}")).encode()
    refused = registry.ask(
        "PUT",
        "/v2/push/u/manifests/v1",
        data,
        Content_Type="application/vnd.docker.distribution.manifest.v2+json",
    )
    assert (refused.status, refused.codes) == (400, ["MANIFEST_INVALID"])


def test_2_26_a_type_that_only_the_client_tells_is_kept(registry: RegistryServer) -> None:
    registry.push_blob("push/v", b"{}")
    document = manifest(b"{}")
    del document["mediaType"]
    data = json.dumps(document).encode()
    docker = "application/vnd.docker.distribution.manifest.v2+json"
    for tag, kind in (("docker", docker), ("oci", OCI_MANIFEST)):
        body = data + b" " * len(tag)
        path = f"/v2/push/v/manifests/{tag}"
        assert registry.ask("PUT", path, body, Content_Type=kind).status == 201
        assert registry.ask("GET", path).headers["content-type"] == kind


def test_2_27_a_manifest_that_is_too_large_is_413(registry: RegistryServer) -> None:
    registry.push_blob("push/w", b"{}")
    limit = registry.config.limits.manifest
    for size, status in ((limit, 201), (limit + 1, 413)):
        document = manifest(b"{}", annotations={"padding": ""})
        data = json.dumps(document).encode()
        data = data.replace(b'"padding": ""', b'"padding": "%b"' % (b"x" * (size - len(data))))
        assert len(data) == size
        answer = registry.ask("PUT", "/v2/push/w/manifests/v1", data, Content_Type=OCI_MANIFEST)
        assert answer.status == status


def test_2_28_the_same_blob_twice_is_stored_once(registry: RegistryServer) -> None:
    digest = registry.push_blob("push/x", b"twice")
    before = registry.blob_file(digest).stat()
    registry.push_blob("push/x", b"twice")
    registry.push_blob("push/y", b"twice")
    after = registry.blob_file(digest).stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


def test_2_29_an_empty_blob(registry: RegistryServer) -> None:
    digest = registry.push_blob("push/empty", b"")
    answer = registry.ask("GET", f"/v2/push/empty/blobs/{digest}")
    assert (answer.status, answer.body, answer.headers["content-length"]) == (200, b"", "0")


def test_2_30_an_artifact_without_layers(registry: RegistryServer) -> None:
    """The empty descriptor of the image specification, with an artifact type."""
    registry.push_blob("push/artifact", b"{}")
    empty = descriptor(b"{}", "application/vnd.oci.empty.v1+json")
    document = {**manifest(b"{}"), "config": empty, "layers": [empty], "artifactType": "a/x"}
    registry.push_manifest("push/artifact", document, "v1")
    assert OCI_CONFIG not in registry.ask("GET", "/v2/push/artifact/manifests/v1").body.decode()
