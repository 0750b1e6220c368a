"""Behaviours 115–125: mounts, archives, diff, commit, import, save (docs/compatibility.md)."""

from __future__ import annotations

import base64
import gzip
import json
import lzma

import pytest

from support.api import Api, packed, unpacked

pytestmark = pytest.mark.root

DIRECTORY, SYMLINK = 1 << 31, 1 << 27


def stat(api: Api, ref: str, path: str) -> dict:
    reply = api.ask("HEAD", f"/containers/{ref}/archive?path={path}")
    assert reply.status == 200, reply
    found = json.loads(base64.b64decode(reply.headers["x-docker-container-path-stat"]))
    assert isinstance(found, dict)
    return found


def put(api: Api, ref: str, path: str, data: bytes, query: str = "") -> tuple[int, str]:
    headers = {"Content-Type": "application/x-tar"}
    target = f"/containers/{ref}/archive?path={path}{query}"
    reply = api.ask("PUT", target, data=data, headers=headers)
    return reply.status, reply.message


def got(api: Api, ref: str, path: str) -> dict[str, bytes | None]:
    reply = api.ask("GET", f"/containers/{ref}/archive?path={path}")
    assert reply.status == 200, reply
    return unpacked(reply.body)


def test_b116_a_volume_with_data_is_left_as_it_is(api: Api) -> None:
    look = {"Binds": ["bfilled:/etc"]}
    try:
        assert "root:x:0:0" in api.output("cat", "/etc/passwd", HostConfig=look)
        api.output("sh", "-c", "rm /etc/passwd; echo mine > /etc/mine", HostConfig=look)
        assert api.output("ls", "/etc", HostConfig=look).split().count("passwd") == 0
    finally:
        api.close()
        api.do("DELETE", "/volumes/bfilled")


def test_b116_mounts_are_nested_by_depth(api: Api) -> None:
    host = {"Tmpfs": {"/m/deep": "", "/m": ""}}
    output = api.output("sh", "-c", "touch /m/deep/x; ls /m/deep; ls /m", HostConfig=host)
    assert output.split() == ["x", "deep"]


def test_b119_files_of_the_engine_are_mounted_and_can_be_covered(api: Api) -> None:
    ref = api.run("sleep", "600", Hostname="bh")
    mounts = api.exec(ref, "cat", "/proc/mounts")[1]
    for name in ("hostname", "hosts", "resolv.conf"):
        assert f" /etc/{name} " in mounts
        assert f"/{name}" in api.inspect(ref)[{"hostname": "HostnamePath", "hosts": "HostsPath",
                                               "resolv.conf": "ResolvConfPath"}[name]]  # fmt: skip
    host = {"Binds": ["/etc/passwd:/etc/hosts:ro"]}
    assert "root:" in api.output("cat", "/etc/hosts", HostConfig=host)


def test_b118_a_single_file_is_bound_read_only(api: Api) -> None:
    host = {"Binds": ["/etc/passwd:/file:ro"]}
    output = api.output("sh", "-c", "head -c 4 /file; echo x > /file", HostConfig=host)
    assert "root" in output
    assert "Read-only file system" in output


def test_b120_changes_have_kinds_and_nothing_is_null(api: Api) -> None:
    ref = api.create("true")
    assert api.get(f"/containers/{ref}/changes") is None
    api.start(ref)
    api.wait(ref)
    assert api.get(f"/containers/{ref}/changes") is None
    other = api.ended("sh", "-c", "echo x > /etc/new; rm /etc/passwd")
    found = sorted(api.get(f"/containers/{other}/changes"), key=lambda one: one["Path"])
    assert found == [
        {"Path": "/etc", "Kind": 0}, {"Path": "/etc/new", "Kind": 1},
        {"Path": "/etc/passwd", "Kind": 2},
    ]  # fmt: skip


def test_b121_what_an_image_lacks_is_made(api: Api) -> None:
    found = api.output("sh", "-c", "ls -d /dev/pts /dev/shm /proc/self /sys/kernel /etc/hosts")
    assert found.split() == ["/dev/pts", "/dev/shm", "/etc/hosts", "/proc/self", "/sys/kernel"]


def test_b122_archives_are_named_from_the_last_component(api: Api) -> None:
    ref = api.ended("sh", "-c", "mkdir -p /d/e; echo f > /d/e/f; ln -s e /d/l; ln -s /d/e/f /s")
    assert got(api, ref, "/d/e") == {"e": None, "e/f": b"f\n"}
    assert set(got(api, ref, "/d/e/.")) == {".", "./f"} or set(got(api, ref, "/d/e/.")) == {
        "./", "./f",
    }  # fmt: skip
    assert got(api, ref, "/d/e/f") == {"f": b"f\n"}
    assert got(api, ref, "/d/l") == {"l": None}
    link = stat(api, ref, "/s")
    assert (link["name"], link["linkTarget"], link["mode"] & SYMLINK > 0) == ("s", "/d/e/f", True)
    assert stat(api, ref, "/d")["mode"] & DIRECTORY
    assert got(api, ref, "/d/l/f") == {"f": b"f\n"}


def test_b122_archives_go_into_directories(api: Api) -> None:
    ref = api.create("true")
    data = packed(("in", None), ("in/f", b"text"), uid=12, gid=13)
    assert put(api, ref, "/tmp", data)[0] == 200
    assert got(api, ref, "/tmp/in/f") == {"f": b"text"}
    for squeeze in (gzip.compress, lzma.compress):
        assert put(api, ref, "/tmp", squeeze(packed(("z", squeeze.__module__.encode()))))[0] == 200
        assert got(api, ref, "/tmp/z") == {"z": squeeze.__module__.encode()}
    status, words = put(api, ref, "/etc/passwd", data)
    assert (status, words) == (400, "extraction point is not a directory")
    status, words = put(api, ref, "/nowhere", data)
    assert status == 404
    assert words == f"Could not find the file /nowhere in container {ref}"
    assert api.ask("HEAD", f"/containers/{ref}/archive?path=/nowhere").status == 404


def test_b122_directories_and_files_do_not_replace_each_other_unasked(api: Api) -> None:
    ref = api.create("true")
    put(api, ref, "/tmp", packed(("x", None), ("x/f", b"1")))
    as_file, strict = packed(("x", b"file")), "&noOverwriteDirNonDir=true"
    status, words = put(api, ref, "/tmp", as_file, strict)
    assert status in (400, 500)
    assert "cannot overwrite" in words
    assert put(api, ref, "/tmp", as_file)[0] == 200
    assert got(api, ref, "/tmp/x") == {"x": b"file"}


def test_b122_a_read_only_root_takes_nothing(api: Api) -> None:
    ref = api.create("true", HostConfig={"ReadonlyRootfs": True, "Binds": ["brw:/v", "bro:/r:ro"]})
    data = packed(("f", b"x"))
    assert put(api, ref, "/tmp", data) == (403, "container rootfs is marked read-only")
    assert put(api, ref, "/v", data)[0] == 200
    assert put(api, ref, "/r", data)[0] == 403
    api.close()
    for name in ("brw", "bro"):
        api.do("DELETE", f"/volumes/{name}")


def test_b122_links_never_lead_out_of_the_container(api: Api) -> None:
    ref = api.ended("sh", "-c", "ln -s ../../../../../../etc /out; ln -s /etc/passwd /secret")
    assert put(api, ref, "/out", packed(("bmark", b"x")))[0] == 200
    assert got(api, ref, "/etc/bmark") == {"bmark": b"x"}
    assert stat(api, ref, "/secret")["linkTarget"] == "/etc/passwd"


@pytest.mark.parametrize("state", ["running", "paused"])
def test_b122_running_containers_are_copied_from_with_their_volumes(api: Api, state: str) -> None:
    ref = api.run("sh", "-c", "echo v > /v/f; sleep 600", Volumes={"/v": {}})
    api.until("the file", lambda: api.exec(ref, "cat", "/v/f")[1])
    if state == "paused":
        api.do("POST", f"/containers/{ref}/pause")
    assert got(api, ref, "/v/f") == {"f": b"v\n"}
    assert put(api, ref, "/v", packed(("g", b"w")))[0] == 200
    assert got(api, ref, "/v/g") == {"g": b"w"}


def test_b123_a_commit_refuses_what_is_no_change(api: Api) -> None:
    ref = api.create("true")
    for change, words in (("RUN x", "RUN is not a valid change command"), ("NOPE x", "NOPE")):
        query = {"container": ref, "changes": change}
        assert words in api.refused(400, "POST", "/commit", **query)


def test_b124_an_import_makes_an_image_of_one_layer(api: Api) -> None:
    data = packed(("etc", None), ("etc/f", b"1"))
    reply = api.ask(
        "POST", "/images/create", data=data, fromSrc="-", repo="bimported", tag="1",
        changes=["ENV A=1", "CMD [\"x\"]"], message="from a test",
    )  # fmt: skip
    assert reply.status == 200
    api.images.append("bimported:1")
    image = api.get("/images/bimported:1/json")
    assert len(image["RootFS"]["Layers"]) == 1
    assert (image["Config"]["Env"], image["Config"]["Cmd"]) == (["A=1"], ["x"])
    assert image["Comment"] == "from a test"


def test_b125_a_saved_image_is_both_layouts_and_loads_again(api: Api) -> None:
    image = api.get("/images/busybox/json")["Id"]
    saved = api.ask("GET", "/images/busybox:latest/get").body
    members = unpacked(saved)
    assert {"manifest.json", "index.json", "oci-layout"} <= set(members)
    (entry,) = json.loads(members["manifest.json"] or b"")
    assert entry["RepoTags"] == ["busybox:latest"]
    assert f"sha256:{entry['Config'].split('/')[-1]}" == image
    headers = {"Content-Type": "application/x-tar"}
    reply = api.ask("POST", "/images/load?quiet=1", data=saved, headers=headers)
    assert "Loaded image: busybox:latest" in reply.body.decode()
