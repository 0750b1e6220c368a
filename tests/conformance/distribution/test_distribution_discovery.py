"""Workflow 3 of the OCI distribution specification 1.1, Content Discovery."""

import re

import pytest

from support.registry_server import Answer, RegistryServer, digest_of, index, manifest
from wharfie.formats.oci.descriptor import OCI_INDEX, OCI_MANIFEST

UNKNOWN = "sha256:" + "0" * 64
TAGS = ["1.0", "1.10", "1.2", "A", "Z", "_x", "a", "latest"]


@pytest.fixture(scope="module")
def tagged(registry: RegistryServer) -> RegistryServer:
    for tag in TAGS:
        registry.push_image("discover/tags", tag)
    return registry


def next_of(answer: Answer) -> str:
    found = re.fullmatch(r'<([^>]+)>; rel="next"', answer.headers["link"])
    assert found
    return found[1]


def test_3_1_all_tags_in_order(tagged: RegistryServer) -> None:
    """end-8a: 200 with name and tags, sorted by byte."""
    answer = tagged.ask("GET", "/v2/discover/tags/tags/list")
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json == {"name": "discover/tags", "tags": sorted(TAGS)}
    assert "link" not in answer.headers


@pytest.mark.parametrize("size", [1, 2, 3, 8, 9])
def test_3_2_pages_of_tags_follow_each_other(tagged: RegistryServer, size: int) -> None:
    """end-8b: at most n, and a Link as long as there are more."""
    path, found, pages = f"/v2/discover/tags/tags/list?n={size}", [], 0
    while path:
        answer = tagged.ask("GET", path)
        assert len(answer.json["tags"]) <= size
        found += answer.json["tags"]
        path = next_of(answer) if "link" in answer.headers else ""
        pages += 1
    assert found == sorted(TAGS)
    assert pages == -(-len(TAGS) // size)


def test_3_3_last_need_not_exist(tagged: RegistryServer) -> None:
    answer = tagged.ask("GET", "/v2/discover/tags/tags/list?n=2&last=1.1")
    assert answer.json["tags"] == ["1.10", "1.2"]
    assert tagged.ask("GET", "/v2/discover/tags/tags/list?last=zzz").json["tags"] == []


def test_3_4_no_results_wished_none_given(tagged: RegistryServer) -> None:
    """n=0: an empty list, and no Link."""
    answer = tagged.ask("GET", "/v2/discover/tags/tags/list?n=0")
    assert answer.json["tags"] == []
    assert "link" not in answer.headers


def test_3_5_tags_of_an_unknown_repository_are_404(registry: RegistryServer) -> None:
    answer = registry.ask("GET", "/v2/discover/none/tags/list")
    assert (answer.status, answer.codes) == (404, ["NAME_UNKNOWN"])


def test_3_6_the_catalogue_in_pages(registry: RegistryServer) -> None:
    names = [f"discover/catalogue/{n}" for n in ("b", "a", "c/d", "c")]
    for name in names:
        registry.push_image(name, "v1")
    path, found = "/v2/_catalog?n=2", []
    while path:
        answer = registry.ask("GET", path)
        assert answer.status == 200
        assert len(answer.json["repositories"]) <= 2
        found += answer.json["repositories"]
        path = next_of(answer) if "link" in answer.headers else ""
    assert found == sorted(found)
    assert set(names) <= set(found)


@pytest.fixture(scope="module")
def referred(registry: RegistryServer) -> tuple[RegistryServer, str, dict[str, str]]:
    """An image with a signature and two reports that refer to it."""
    name = "discover/referrers"
    subject = registry.push_image(name, "v1")
    registry.push_blob(name, b"{}")
    found = {}
    for what, kind, members in (
        ("signature", "application/vnd.example.signature", {}),
        ("report", "application/vnd.example.report", {"annotations": {"tool": "a"}}),
        ("second", "application/vnd.example.report", {"annotations": {"tool": "b"}}),
    ):
        document = manifest(
            b"{}",
            subject={"mediaType": OCI_MANIFEST, "digest": subject, "size": 1},
            artifactType=kind,
            **members,
        )
        found[what] = registry.push_manifest(name, document)
    return registry, subject, found


def test_3_7_referrers_of_a_manifest(
    referred: tuple[RegistryServer, str, dict[str, str]],
) -> None:
    """end-12a: an index of descriptors with artifact type and annotations."""
    registry, subject, found = referred
    answer = registry.ask("GET", f"/v2/discover/referrers/referrers/{subject}")
    assert answer.status == 200
    assert answer.headers["content-type"] == OCI_INDEX
    assert answer.json["schemaVersion"] == 2
    assert answer.json["mediaType"] == OCI_INDEX
    listed = {one["digest"]: one for one in answer.json["manifests"]}
    assert set(listed) == set(found.values())
    report = listed[found["report"]]
    assert report["artifactType"] == "application/vnd.example.report"
    assert report["annotations"] == {"tool": "a"}
    assert report["mediaType"] == OCI_MANIFEST
    path = f"/v2/discover/referrers/manifests/{report['digest']}"
    assert report["size"] == len(registry.ask("GET", path).body)
    assert "oci-filters-applied" not in answer.headers


def test_3_8_referrers_of_one_type(
    referred: tuple[RegistryServer, str, dict[str, str]],
) -> None:
    """end-12b: filtered, and told so."""
    registry, subject, found = referred
    for kind, expected in (
        ("application/vnd.example.report", {found["report"], found["second"]}),
        ("application/vnd.example.none", set()),
    ):
        path = f"/v2/discover/referrers/referrers/{subject}?artifactType={kind}"
        answer = registry.ask("GET", path)
        assert {one["digest"] for one in answer.json["manifests"]} == expected
        assert answer.headers["oci-filters-applied"] == "artifactType"


def test_3_9_no_referrers_is_an_empty_index_not_404(registry: RegistryServer) -> None:
    for name in ("discover/referrers", "discover/none"):
        answer = registry.ask("GET", f"/v2/{name}/referrers/{UNKNOWN}")
        assert answer.status == 200
        assert answer.json["manifests"] == []


@pytest.mark.parametrize("word", ["v1", "sha256:abc", "md5:" + "0" * 32])
def test_3_10_referrers_of_what_is_no_digest_are_400(registry: RegistryServer, word: str) -> None:
    assert registry.ask("GET", f"/v2/discover/referrers/referrers/{word}").status == 400


def test_3_11_referrers_in_pages(referred: tuple[RegistryServer, str, dict[str, str]]) -> None:
    registry, subject, found = referred
    path, listed = f"/v2/discover/referrers/referrers/{subject}?n=2", []
    while path:
        answer = registry.ask("GET", path)
        assert len(answer.json["manifests"]) <= 2
        listed += [one["digest"] for one in answer.json["manifests"]]
        path = next_of(answer) if "link" in answer.headers else ""
    assert sorted(listed) == sorted(found.values())


def test_3_12_a_manifest_without_artifact_type_has_its_configs(registry: RegistryServer) -> None:
    name = "discover/config-type"
    registry.push_blob(name, b"{}")
    subject = {"mediaType": OCI_MANIFEST, "digest": UNKNOWN, "size": 1}
    plain = manifest(b"{}", subject=subject)
    plain["config"]["mediaType"] = "application/vnd.example.config"
    child = registry.push_manifest(name, plain)
    listed = index(
        {"mediaType": OCI_MANIFEST, "digest": child, "size": 1},
        subject=subject,
        artifactType="application/vnd.example.index",
    )
    registry.push_manifest(name, listed)
    answer = registry.ask("GET", f"/v2/{name}/referrers/{UNKNOWN}")
    assert {one["artifactType"] for one in answer.json["manifests"]} == {
        "application/vnd.example.config",
        "application/vnd.example.index",
    }


def test_3_13_referrers_that_a_client_listed_under_a_tag(registry: RegistryServer) -> None:
    """Backwards compatibility: those that do name the subject are listed, others are not."""
    name = "discover/fallback"
    subject = registry.push_image(name, "v1")
    registry.push_blob(name, b"{}")
    honest = manifest(
        b"{}", subject={"mediaType": OCI_MANIFEST, "digest": subject, "size": 1}, artifactType="a/b"
    )
    honest_digest = registry.push_manifest(name, honest)
    # As a registry left it that kept no list of its own.
    top = registry.root / f"docker/registry/v2/repositories/{name}/_referrers"
    for path in top.rglob("descriptor"):
        path.unlink()
    other = registry.push_manifest(name, manifest(b"{}", annotations={"no": "subject"}))
    entries = [
        {"mediaType": OCI_MANIFEST, "digest": digest, "size": 1}
        for digest in (honest_digest, other)
    ]
    registry.push_manifest(name, index(*entries), subject.replace(":", "-"))
    answer = registry.ask("GET", f"/v2/{name}/referrers/{subject}")
    assert [one["digest"] for one in answer.json["manifests"]] == [honest_digest]


def test_3_14_a_referrer_of_a_referrer(registry: RegistryServer) -> None:
    name = "discover/chain"
    registry.push_blob(name, b"{}")
    above = registry.push_image(name, "v1")
    for step in range(3):
        subject = {"mediaType": OCI_MANIFEST, "digest": above, "size": 1}
        document = manifest(b"{}", subject=subject, annotations={"step": str(step)})
        below = registry.push_manifest(name, document)
        answer = registry.ask("GET", f"/v2/{name}/referrers/{above}")
        assert [one["digest"] for one in answer.json["manifests"]] == [below]
        above = below


def test_3_15_cosigns_signatures_stand_under_a_tag(registry: RegistryServer) -> None:
    """`sha256-<hex>.sig` is an ordinary tag of an ordinary manifest."""
    name = "discover/cosign"
    subject = registry.push_image(name, "v1")
    payload = b'{"critical":{}}'
    registry.push_blob(name, payload)
    registry.push_blob(name, b"{}")
    layer = {
        "mediaType": "application/vnd.dev.cosign.simplesigning.v1+json",
        "digest": digest_of(payload),
        "size": len(payload),
        "annotations": {"dev.cosignproject.cosign/signature": "MEUCIQ=="},
    }
    tag = subject.replace(":", "-") + ".sig"
    digest = registry.push_manifest(name, manifest(b"{}", layers=[layer]), tag)
    answer = registry.ask("GET", f"/v2/{name}/manifests/{tag}")
    assert answer.headers["docker-content-digest"] == digest
    assert answer.json["layers"] == [layer]
    assert tag in registry.ask("GET", f"/v2/{name}/tags/list").json["tags"]
