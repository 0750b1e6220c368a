"""Behaviours 1–16: names, IDs and references (docs/compatibility.md)."""

from __future__ import annotations

import re

import pytest

from support.api import Api

pytestmark = pytest.mark.root

IMAGE_ID = re.compile(r"sha256:[0-9a-f]{64}")


def test_b001_a_container_is_found_by_id_then_name_then_prefix(api: Api) -> None:
    first = api.create("true", name="bfind")
    second = api.create("true", name=first[:6])
    assert api.inspect(first)["Id"] == first
    assert api.inspect("%2Fbfind")["Id"] == first
    assert api.inspect(first[:6])["Id"] == second
    assert api.inspect(first[:8])["Id"] == first
    assert api.refused(404, "GET", "/containers/bnobody/json") == "No such container: bnobody"
    assert "invalid name or ID supplied" in api.refused(400, "POST", "/commit", container="")


def test_b001_an_ambiguous_prefix_is_refused(api: Api) -> None:
    found: dict[str, str] = {}
    while True:  # seventeen containers share a first digit at the latest
        ref = api.create("true")
        if ref[0] in found:
            break
        found[ref[0]] = ref
    message = api.refused(400, "GET", f"/containers/{ref[0]}/json")
    assert message.lower() == f"multiple ids found with provided prefix: {ref[0]}"


def test_b002_ids_are_64_hexadecimal_digits_and_never_a_number_when_short(api: Api) -> None:
    for _ in range(5):
        ref = api.create("true")
        assert re.fullmatch(r"[0-9a-f]{64}", ref)
        assert not ref[:12].isdecimal()


@pytest.mark.parametrize("name", ["a", "-ab", "a/b", "a b", "äb", ".ab"])
def test_b003_names_follow_their_grammar(api: Api, name: str) -> None:
    message = api.refused(400, "POST", "/containers/create", api.create_body("true"), name=name)
    assert message == (
        f"Invalid container name ({name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed"
    )


def test_b003_names_are_told_with_a_slash(api: Api) -> None:
    ref = api.create("true", name="/bslash")
    assert api.inspect(ref)["Name"] == "/bslash"
    (item,) = api.get("/containers/json", all=1, filters='{"name":["bslash"]}')
    assert item["Names"] == ["/bslash"]


def test_b004_a_taken_name_names_its_holder(api: Api) -> None:
    holder = api.create("true", name="btaken")
    body = api.create_body("true")
    message = api.refused(409, "POST", "/containers/create", body, name="btaken")
    assert message == (
        f'Conflict. The container name "/btaken" is already in use by container "{holder}". '
        "You have to remove (or rename) that container to be able to reuse that name."
    )


def test_b005_names_are_made_up(api: Api) -> None:
    assert re.fullmatch(r"/[a-z]+_[a-z]+\d?", api.inspect(api.create("true"))["Name"])


def test_b006_a_failed_create_gives_its_name_back(api: Api) -> None:
    body = api.create_body("true", HostConfig={"Memory": 1})
    api.refused(400, "POST", "/containers/create", body, name="bagain")
    api.create("true", name="bagain")


def test_b006_a_rename_leaves_the_host_name(api: Api) -> None:
    ref = api.run("sleep", "600", name="bfirst")
    api.do("POST", f"/containers/{ref}/rename", name="bafter")
    assert api.inspect("bafter")["Config"]["Hostname"] == ref[:12]
    assert api.refused(404, "GET", "/containers/bfirst/json")


def test_b007_renames_are_refused_in_these_words(api: Api) -> None:
    ref, other = api.create("true", name="brename"), api.create("true", name="bother")
    path = f"/containers/{ref}/rename"
    assert api.refused(400, "POST", path, name="") == "Neither old nor new names may be empty"
    assert "same name as its current name" in api.refused(400, "POST", path, name="brename")
    assert f'is already in use by container "{other}"' in api.refused(
        409, "POST", path, name="bother"
    )


def test_b008_a_network_is_found_by_id_name_and_prefix(api: Api) -> None:
    network = api.get("/networks/bridge")["Id"]
    assert api.get(f"/networks/{network}")["Name"] == "bridge"
    assert api.get(f"/networks/{network[:10]}")["Name"] == "bridge"
    assert api.refused(404, "GET", "/networks/bnone") == "network bnone not found"


def test_b009_volumes_have_exact_names_only(api: Api) -> None:
    api.do("POST", "/volumes/create", {"Name": "bvolume"})
    try:
        assert api.refused(404, "GET", "/volumes/bvol") == "get bvol: no such volume"
    finally:
        api.do("DELETE", "/volumes/bvolume")


def test_b010_an_image_is_found_by_reference_and_id(api: Api) -> None:
    image = api.get("/images/busybox/json")["Id"]
    for ref in ("busybox:latest", "docker.io/library/busybox", image, image[7:], image[7:19]):
        assert api.get(f"/images/{ref}/json")["Id"] == image
    assert api.refused(404, "GET", "/images/bnone/json") == "No such image: bnone:latest"


@pytest.mark.parametrize(
    ("ref", "words"),
    [
        ("Busybox", "repository name (library/Busybox) must be lowercase"),
        ("a" * 64, "cannot specify 64-byte hexadecimal strings"),
        ("b//c", "invalid reference format"),
    ],
)
def test_b011_references_follow_their_grammar(api: Api, ref: str, words: str) -> None:
    message = api.refused(400, "POST", "/images/busybox/tag", repo=ref, tag="t")
    assert words in message


def test_b012_names_are_shown_in_their_short_form(api: Api) -> None:
    api.images.append("btest/short:1")
    api.do("POST", "/images/busybox/tag", repo="docker.io/btest/short", tag="1")
    tags = api.get("/images/busybox/json")["RepoTags"]
    assert "btest/short:1" in tags
    assert "busybox:latest" in tags


def test_b013_some_names_cannot_be_given(api: Api) -> None:
    digest = f"busybox@sha256:{'0' * 64}"
    assert "digest" in api.refused(400, "POST", "/images/busybox/tag", repo=digest)
    assert api.refused(400, "POST", "/images/busybox/tag", repo="sha256", tag="1") == (
        "refusing to create an ambiguous tag using digest algorithm as name"
    )


def test_b014_image_ids_have_their_algorithm_everywhere(api: Api) -> None:
    ref = api.create("true")
    image = api.get("/images/busybox/json")["Id"]
    assert IMAGE_ID.fullmatch(image)
    assert api.inspect(ref)["Image"] == image
    (item,) = api.get("/containers/json", all=1, filters=f'{{"id":["{ref}"]}}')
    assert item["ImageID"] == image
    assert all(IMAGE_ID.fullmatch(one["Id"]) for one in api.get("/images/json"))


def test_b015_a_list_shows_the_id_of_an_image_whose_name_moved_on(api: Api) -> None:
    api.do("POST", "/images/busybox/tag", repo="bmoving", tag="1")
    api.images.append("bmoving:1")
    ref = api.create("true", Image="bmoving:1")
    find = {"all": 1, "filters": f'{{"id":["{ref}"]}}'}
    assert api.get("/containers/json", **find)[0]["Image"] == "bmoving:1"
    other = api.do("POST", "/commit", container=ref, repo="bmoving", tag="1", comment="new")["Id"]
    assert other != api.inspect(ref)["Image"]
    shown = api.get("/containers/json", **find)[0]["Image"]
    assert api.inspect(ref)["Image"].removeprefix("sha256:").startswith(shown.split(":")[-1])


def test_b016_execs_have_exact_ids_and_go_with_their_container(api: Api) -> None:
    ref = api.run("sleep", "600")
    made = api.do("POST", f"/containers/{ref}/exec", {"Cmd": ["true"]})["Id"]
    assert re.fullmatch(r"[0-9a-f]{64}", made)
    assert api.refused(404, "GET", f"/exec/{made[:20]}/json") == (
        f"No such exec instance: {made[:20]}"
    )
    api.do("DELETE", f"/containers/{ref}", force=1)
    api.refused(404, "GET", f"/exec/{made}/json")
