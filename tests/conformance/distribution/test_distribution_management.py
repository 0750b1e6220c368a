"""Workflow 4 of the OCI distribution specification 1.1, Content Management."""

import pytest

from support.registry_server import RegistryServer, descriptor, digest_of, index, manifest
from wharfie.formats.oci.descriptor import OCI_MANIFEST
from wharfie.registry.config import Config, StorageConfig

UNKNOWN = "sha256:" + "0" * 64


def test_4_1_a_tag_is_deleted_and_its_manifest_stays(registry: RegistryServer) -> None:
    """end-9: 202; then the tag is 404."""
    digest = registry.push_image("manage/tag", "v1")
    registry.push_image("manage/tag", "v2")
    assert registry.ask("DELETE", "/v2/manage/tag/manifests/v1").status == 202
    assert registry.ask("GET", "/v2/manage/tag/manifests/v1").status == 404
    assert registry.ask("GET", f"/v2/manage/tag/manifests/{digest}").status == 200
    assert registry.ask("GET", "/v2/manage/tag/tags/list").json["tags"] == ["v2"]


def test_4_2_a_manifest_is_deleted_with_its_tags(registry: RegistryServer) -> None:
    registry.push_blob("manage/manifest", b"{}")
    document = manifest(b"{}")
    digest = registry.push_manifest("manage/manifest", document, "a")
    registry.push_manifest("manage/manifest", document, "b")
    registry.push_image("manage/manifest", "c")
    path = f"/v2/manage/manifest/manifests/{digest}"
    assert registry.ask("DELETE", path).status == 202
    assert registry.ask("GET", path).status == 404
    assert registry.ask("GET", "/v2/manage/manifest/manifests/a").status == 404
    assert registry.ask("GET", "/v2/manage/manifest/tags/list").json["tags"] == ["c"]
    assert registry.ask("DELETE", path).status == 404


@pytest.mark.parametrize("reference", ["nothing", UNKNOWN])
def test_4_3_deleting_what_is_not_there_is_404(registry: RegistryServer, reference: str) -> None:
    registry.push_image("manage/none", "v1")
    answer = registry.ask("DELETE", f"/v2/manage/none/manifests/{reference}")
    assert (answer.status, answer.codes) == (404, ["MANIFEST_UNKNOWN"])


def test_4_4_a_blob_is_deleted(registry: RegistryServer) -> None:
    """end-10: 202, then 404; another repository keeps it."""
    digest = registry.push_blob("manage/blob", b"to go")
    registry.push_blob("manage/keeps", b"to go")
    path = f"/v2/manage/blob/blobs/{digest}"
    assert registry.ask("DELETE", path).status == 202
    assert registry.ask("GET", path).status == 404
    assert registry.ask("DELETE", path).status == 404
    assert registry.ask("GET", f"/v2/manage/keeps/blobs/{digest}").body == b"to go"


def test_4_5_a_blob_a_manifest_needs_stays(registry: RegistryServer) -> None:
    registry.push_image("manage/needed", "v1", (b"needed layer",))
    path = f"/v2/manage/needed/blobs/{digest_of(b'needed layer')}"
    answer = registry.ask("DELETE", path)
    assert (answer.status, answer.codes) == (405, ["UNSUPPORTED"])
    assert registry.ask("GET", path).status == 200
    digest = registry.ask("HEAD", "/v2/manage/needed/manifests/v1").headers["docker-content-digest"]
    registry.ask("DELETE", f"/v2/manage/needed/manifests/{digest}")
    assert registry.ask("DELETE", path).status == 202


def test_4_6_a_deleted_referrer_is_listed_no_more(registry: RegistryServer) -> None:
    name = "manage/referrer"
    subject = registry.push_image(name, "v1")
    registry.push_blob(name, b"{}")
    document = manifest(b"{}", subject={"mediaType": OCI_MANIFEST, "digest": subject, "size": 1})
    digest = registry.push_manifest(name, document)
    assert registry.ask("DELETE", f"/v2/{name}/manifests/{digest}").status == 202
    assert registry.ask("GET", f"/v2/{name}/referrers/{subject}").json["manifests"] == []


def test_4_7_an_index_is_deleted_without_its_manifests(registry: RegistryServer) -> None:
    name = "manage/index"
    child = registry.push_image(name)
    entry = {"mediaType": OCI_MANIFEST, "digest": child, "size": 1}
    digest = registry.push_manifest(name, index(entry), "v1")
    assert registry.ask("DELETE", f"/v2/{name}/manifests/{digest}").status == 202
    assert registry.ask("GET", f"/v2/{name}/manifests/{child}").status == 200


def test_4_8_what_was_deleted_can_be_pushed_again(registry: RegistryServer) -> None:
    for _ in range(3):
        digest = registry.push_image("manage/again", "v1")
        path = f"/v2/manage/again/manifests/{digest}"
        assert registry.ask("GET", path).status == 200
        assert registry.ask("DELETE", path).status == 202


def test_4_9_deletion_is_off_unless_wished(tmp_path) -> None:
    """As Docker's registry has it; cancelling an upload deletes nothing that is stored."""
    with RegistryServer(tmp_path) as registry:
        digest = registry.push_image("app", "v1")
        blob = registry.push_blob("app", b"loose")
        for path in (f"manifests/{digest}", "manifests/v1", f"blobs/{blob}"):
            answer = registry.ask("DELETE", f"/v2/app/{path}")
            assert (answer.status, answer.codes) == (405, ["UNSUPPORTED"])
            assert registry.ask("GET", f"/v2/app/{path}").status == 200
        assert registry.ask("DELETE", registry.begin("app")).status == 204


def test_4_10_a_read_only_registry_serves_and_takes_nothing(tmp_path) -> None:
    with RegistryServer(tmp_path) as registry:
        digest = registry.push_image("app", "v1")
        upload = registry.begin("app")
    config = Config(storage=StorageConfig(delete=True, read_only=True))
    with RegistryServer(tmp_path, config) as registry:
        assert registry.ask("GET", "/v2/app/manifests/v1").status == 200
        for method, path in (
            ("POST", "/v2/app/blobs/uploads/"),
            ("PATCH", upload),
            ("PUT", upload + "?digest=" + digest),
            ("DELETE", upload),
            ("PUT", "/v2/app/manifests/v2"),
            ("DELETE", "/v2/app/manifests/v1"),
            ("DELETE", f"/v2/app/blobs/{digest}"),
        ):
            answer = registry.ask(method, path, b"{}")
            assert (answer.status, answer.codes) == (405, ["UNSUPPORTED"]), (method, path)
        assert registry.ask("GET", "/v2/app/tags/list").json["tags"] == ["v1"]


def test_4_11_methods_that_are_not_there_are_405(registry: RegistryServer) -> None:
    for method, path in (
        ("POST", "/v2/"),
        ("PUT", "/v2/_catalog"),
        ("POST", "/v2/a/manifests/v1"),
        ("PUT", f"/v2/a/blobs/{UNKNOWN}"),
        ("DELETE", "/v2/a/tags/list"),
        ("PATCH", f"/v2/a/referrers/{UNKNOWN}"),
    ):
        answer = registry.ask(method, path, b"")
        assert (answer.status, answer.codes) == (405, ["UNSUPPORTED"])
        assert "GET" in answer.headers["allow"]


def test_4_12_a_foreign_descriptor_does_not_hold_a_blob(registry: RegistryServer) -> None:
    name = "manage/foreign"
    registry.push_blob(name, b"{}")
    digest = registry.push_blob(name, b"theirs")
    foreign = descriptor(b"theirs", "application/x", urls=["https://example.com/x"])
    registry.push_manifest(name, manifest(b"{}", layers=[foreign]), "v1")
    assert registry.ask("DELETE", f"/v2/{name}/blobs/{digest}").status == 202
