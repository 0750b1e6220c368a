"""Behaviours 81–93: attach, frames, detach keys, logs (docs/compatibility.md)."""

from __future__ import annotations

import calendar
import json
import socket
import threading
import time

import pytest

from support.api import Api, now, payloads, rest

pytestmark = pytest.mark.root

ATTACH = "stream=1&stdout=1&stderr=1"


def test_b081_frames_tell_stdout_from_stderr(api: Api) -> None:
    ref = api.create("sh", "-c", "echo out; sleep 0.2; echo err >&2")
    with api.raw("POST", f"/containers/{ref}/attach?{ATTACH}") as (_, client):
        api.start(ref)
        data = rest(client)
    assert data[:8] == b"\x01\0\0\0\0\0\0\x04"
    assert payloads(data) == [(1, b"out\n"), (2, b"err\n")]


@pytest.mark.parametrize(
    ("version", "tty", "upgrade", "status", "kind"),
    [
        ("1.51", False, True, b"101 UPGRADED", b"application/vnd.docker.multiplexed-stream"),
        ("1.51", True, True, b"101 UPGRADED", b"application/vnd.docker.raw-stream"),
        ("1.41", False, True, b"101 UPGRADED", b"application/vnd.docker.raw-stream"),
        ("1.51", True, False, b"200 OK", b"application/vnd.docker.raw-stream"),
    ],
)
def test_b082_heads_of_taken_over_connections(
    api: Api, version: str, tty: bool, upgrade: bool, status: bytes, kind: bytes
) -> None:
    spoken = api.at(version)
    ref = spoken.create("true", Tty=tty)
    with spoken.raw("POST", f"/containers/{ref}/attach?{ATTACH}", upgrade=upgrade) as (head, _):
        assert head.startswith(b"HTTP/1.1 " + status + b"\r\n")
        assert b"Content-Type: " + kind + b"\r\n" in head
        assert (b"Upgrade: tcp\r\n" in head) is upgrade
        assert b"Content-Length" not in head
        assert b"chunked" not in head
        api.start(ref)


def test_b083_refusals_come_as_plain_errors(api: Api) -> None:
    with api.raw("POST", f"/containers/bnone/attach?{ATTACH}") as (head, client):
        assert head.startswith(b"HTTP/1.1 404 ")
        assert b"No such container: bnone" in client.recv(4096)
    ref = api.run("sleep", "600")
    api.do("POST", f"/containers/{ref}/pause")
    words = api.refused(409, "POST", f"/containers/{ref}/attach", stream=1, stdout=1)
    assert words.lower() == f"container {ref} is paused, unpause the container before attach"


def test_b084_the_end_of_input_is_not_the_end_of_output(api: Api) -> None:
    ref = api.create("sh", "-c", "cat; sleep 0.3; echo after", OpenStdin=True, StdinOnce=True)
    with api.raw("POST", f"/containers/{ref}/attach?{ATTACH}&stdin=1") as (_, client):
        api.start(ref)
        client.sendall(b"typed\n")
        client.shutdown(socket.SHUT_WR)
        assert b"".join(data for _, data in payloads(rest(client))) == b"typed\nafter\n"


def test_b085_no_early_byte_is_lost(api: Api) -> None:
    for _ in range(3):
        ref = api.create("sh", "-c", "echo at once")
        with api.raw("POST", f"/containers/{ref}/attach?{ATTACH}") as (_, client):
            api.start(ref)
            assert payloads(rest(client)) == [(1, b"at once\n")]


def test_b085_without_open_input_what_is_typed_goes_nowhere(api: Api) -> None:
    ref = api.create("sh", "-c", "cat; echo end")
    with api.raw("POST", f"/containers/{ref}/attach?{ATTACH}&stdin=1") as (_, client):
        client.sendall(b"typed\n")
        api.start(ref)
        assert payloads(rest(client)) == [(1, b"end\n")]


def test_b086_input_once_ends_with_its_first_client(api: Api) -> None:
    ref = api.create("sh", "-c", "cat; echo end", OpenStdin=True, StdinOnce=True)
    with api.raw("POST", f"/containers/{ref}/attach?{ATTACH}&stdin=1") as (_, client):
        api.start(ref)
        client.sendall(b"x\n")
        assert b"x\n" in client.recv(100)
        client.shutdown(socket.SHUT_WR)
        rest(client)
    assert api.wait(ref) == 0
    assert api.log(ref) == "x\nend\n"


def test_b087_the_log_comes_first_and_alone_where_asked(api: Api) -> None:
    ref = api.run("sh", "-c", "echo one; read line", OpenStdin=True)
    api.until("its output", lambda: api.log(ref))
    with api.raw("POST", f"/containers/{ref}/attach?logs=1&stdout=1") as (_, client):
        assert payloads(rest(client)) == [(1, b"one\n")]
    with api.raw("POST", f"/containers/{ref}/attach?logs=1&{ATTACH}&stdin=1") as (_, client):
        client.sendall(b"\n")
        assert payloads(rest(client)) == [(1, b"one\n")]


def test_b088_detach_keys_leave_the_container(api: Api) -> None:
    ref = api.run("cat", OpenStdin=True, Tty=True)
    since = now()
    path = f"/containers/{ref}/attach?{ATTACH}&stdin=1&detachKeys=ctrl-x,q"
    with api.raw("POST", path) as (_, client):
        client.sendall(b"\x18")
        time.sleep(0.05)  # the sequence may come in pieces
        client.sendall(b"q")
        rest(client)
    assert api.state(ref)["Running"] is True
    api.until("the event", lambda: "detach" in [e["Action"] for e in api.events(since)])
    path = f"/containers/{ref}/attach?{ATTACH}&detachKeys=ctrl-!"
    with api.raw("POST", path) as (head, client):
        assert b"detach keys" in head + rest(client)


def test_b088_what_only_began_the_sequence_is_passed_on(api: Api) -> None:
    ref = api.run("sh", "-c", "stty raw -echo; head -c 3 | od -An -tx1", OpenStdin=True, Tty=True)
    time.sleep(0.3)
    path = f"/containers/{ref}/attach?{ATTACH}&stdin=1&detachKeys=a,b,c"
    with api.raw("POST", path) as (_, client):
        client.sendall(b"abX")
        assert b"61 62 58" in rest(client)


def test_b089_all_attached_get_all_and_a_slow_one_hinders_nobody(api: Api) -> None:
    script = "read x; head -c 300000 /dev/zero | tr '\\0' x; echo; echo end"
    ref = api.run("sh", "-c", script, OpenStdin=True)
    path = f"/containers/{ref}/attach?{ATTACH}"
    got: list[int] = []

    def listen() -> None:
        with api.raw("POST", path) as (_, client):
            attached.release()
            got.append(sum(len(data) for _, data in payloads(rest(client))))

    attached = threading.Semaphore(0)
    listeners = [threading.Thread(target=listen) for _ in range(2)]
    for one in listeners:
        one.start()
        attached.acquire(timeout=20)
    with api.raw("POST", path + "&stdin=1") as (_, client):
        client.sendall(b"\n")
        for one in listeners:
            one.join(30)
        rest(client)  # the slow one: it reads only now
    assert got == [300_005, 300_005]


def test_b091_a_terminal_has_one_stream_and_its_own_line_ends(api: Api) -> None:
    ref = api.create("sh", "-c", "echo out; echo err >&2", Tty=True)
    with api.raw("POST", f"/containers/{ref}/attach?{ATTACH}") as (_, client):
        api.start(ref)
        assert rest(client) == b"out\r\nerr\r\n"
    reply = api.ask("GET", f"/containers/{ref}/logs", stdout=1)
    assert reply.body == b"out\r\nerr\r\n"


def test_b092_logs_are_chosen_by_stream_tail_and_time(api: Api) -> None:
    ref = api.ended("sh", "-c", "echo one; echo two >&2; sleep 1.1; echo three")
    assert api.refused(400, "GET", f"/containers/{ref}/logs")
    assert "one\n" in api.log(ref)
    only = api.ask("GET", f"/containers/{ref}/logs", stderr=1)
    assert payloads(only.body) == [(2, b"two\n")]
    for tail, count in (("all", 3), ("1", 1), ("0", 0), ("-1", 3), ("many", 3), ("9", 3)):
        assert api.log(ref, tail=tail).count("\n") == count, tail
    assert api.log(ref, tail=1) == "three\n"
    stamped = api.log(ref, timestamps=1).splitlines()
    times = sorted(line.split(" ", 1)[0] for line in stamped)
    assert all(len(one) == len("2006-01-02T15:04:05.000000000Z") for one in times)
    last = seconds(times[-1])
    assert api.log(ref, since=last) == "three\n"
    assert sorted(api.log(ref, until=f"{float(last) - 0.5:.9f}").split()) == ["one", "two"]


def seconds(text: str) -> str:
    """A time with nanoseconds as `since` and `until` take it."""
    whole = calendar.timegm(time.strptime(text[:19], "%Y-%m-%dT%H:%M:%S"))
    return f"{whole}{text[19:-1]}"


def test_b092_details_are_labels_and_variables(api: Api) -> None:
    options = {"Type": "json-file", "Config": {"labels": "lone", "env": "A"}}
    ref = api.ended(
        "echo", "x", Labels={"lone": "a b"}, Env=["A=1"], HostConfig={"LogConfig": options}
    )
    assert api.log(ref, details=1) == "A=1,lone=a+b x\n"


def test_b099_a_log_has_a_path_where_it_is_a_file(api: Api) -> None:
    for driver, is_file in (("json-file", True), ("none", False)):
        ref = api.create("true", HostConfig={"LogConfig": {"Type": driver}})
        path = api.inspect(ref)["LogPath"]
        assert path.endswith(f"{ref}-json.log") if is_file else path == ""


def test_b093_following_tells_its_head_at_once_and_ends_with_the_container(api: Api) -> None:
    ref = api.run("sh", "-c", "read x; echo late; exit 0", OpenStdin=True)
    path = f"/containers/{ref}/logs?follow=1&stdout=1"
    with api.raw("GET", path, upgrade=False) as (head, client):
        assert head.startswith(b"HTTP/1.1 200 OK\r\n")
        with api.raw("POST", f"/containers/{ref}/attach?stream=1&stdin=1") as (_, typing):
            typing.sendall(b"\n")
            data = b""
            while not data.endswith(b"0\r\n\r\n"):
                data += client.recv(4096)
    assert b"late\n" in data


def test_b100_events_have_their_form(api: Api) -> None:
    since = now()
    ref = api.create("true", name="bevent", Labels={"own": "l"})
    (event,) = [e for e in api.events(since, type=["container"]) if e["Actor"]["ID"] == ref]
    assert (event["Type"], event["Action"], event["scope"]) == ("container", "create", "local")
    attributes = event["Actor"]["Attributes"]
    assert (attributes["name"], attributes["image"], attributes["own"]) == (
        "bevent", "busybox", "l",
    )  # fmt: skip
    assert event["timeNano"] // 10**9 == event["time"]
    assert (event["status"], event["id"], event["from"]) == ("create", ref, "busybox")


def test_b101_attributes_of_actions(api: Api) -> None:
    since = now()
    ref = api.run("sleep", "600", name="bold", Tty=True)
    api.do("POST", f"/containers/{ref}/rename", name="bnew")
    api.do("POST", f"/containers/{ref}/resize", h=9, w=99)
    code, _ = exec_tty(api, ref, "sh", "-c", "exit 3")
    api.do("POST", f"/containers/{ref}/kill", signal="KILL")
    api.wait(ref)
    found = {
        e["Action"].partition(":")[0]: e["Actor"]["Attributes"]
        for e in api.events(since, container=[ref])
    }
    assert found["rename"]["oldName"] == "/bold"
    assert (found["resize"]["height"], found["resize"]["width"]) == ("9", "99")
    assert code == 3
    assert found["exec_die"]["exitCode"] == "3"
    assert len(found["exec_die"]["execID"]) == 64
    assert found["kill"]["signal"] == "9"
    assert found["die"]["exitCode"] == "137"
    assert int(found["die"]["execDuration"]) >= 0


def exec_tty(api: Api, ref: str, *command: str) -> tuple[int, bytes]:
    body = {"Cmd": command, "AttachStdout": True}
    made = api.do("POST", f"/containers/{ref}/exec", body)["Id"]
    output = api.ask("POST", f"/exec/{made}/start", {"Detach": False}).body
    return api.get(f"/exec/{made}/json")["ExitCode"], output


def test_b102_actions_of_containers_have_dockers_names(api: Api) -> None:
    since = now()
    ref = api.run("sleep", "600")
    api.do("POST", f"/containers/{ref}/pause")
    api.do("POST", f"/containers/{ref}/unpause")
    api.get(f"/containers/{ref}/top")
    exec_tty(api, ref, "echo", "a", "b")
    api.do("POST", f"/containers/{ref}/update", {"CpuShares": 500})
    api.ask("GET", f"/containers/{ref}/archive?path=/bin/sh")
    api.ask("GET", f"/containers/{ref}/export")
    api.images.append(api.do("POST", "/commit", container=ref, pause=0)["Id"])
    api.do("POST", f"/containers/{ref}/stop", t=0)
    api.do("DELETE", f"/containers/{ref}")
    seen = {e["Action"] for e in api.events(since, container=[ref])}
    assert {
        "create", "start", "pause", "unpause", "top", "exec_create: echo a b",
        "exec_start: echo a b", "exec_die", "update", "archive-path", "export", "commit",
        "kill", "die", "stop", "destroy",
    } <= seen  # fmt: skip


def test_b103_b104_images_networks_and_volumes_tell_too(api: Api) -> None:
    since = now()
    api.do("POST", "/images/busybox/tag", repo="btold", tag="1")
    api.do("DELETE", "/images/btold:1")
    network = api.do("POST", "/networks/create", {"Name": "btold"})["Id"]
    api.do("DELETE", f"/networks/{network}")
    api.do("POST", "/volumes/create", {"Name": "btold"})
    api.do("DELETE", "/volumes/btold")
    image = api.get("/images/busybox/json")["Id"]
    found = [
        (e["Type"], e["Action"], e["Actor"])
        for e in api.events(since, type=["image", "network", "volume"])
        if e["Actor"]["ID"] in (image, network, "btold")
    ]
    assert [one[:2] for one in found] == [
        ("image", "tag"), ("image", "untag"), ("network", "create"), ("network", "destroy"),
        ("volume", "create"), ("volume", "destroy"),
    ]  # fmt: skip
    assert found[0][2]["Attributes"]["name"] == "btold:1"
    assert found[2][2]["Attributes"] == {"name": "btold", "type": "bridge"}
    assert found[4][2]["Attributes"] == {"driver": "local"}


def test_b105_filters_of_events(api: Api) -> None:
    since = now()
    ref = api.run("sleep", "600", name="bfiltered", Labels={"k": "v"})
    exec_tty(api, ref, "true")
    for filters in (
        {"container": ["bfiltered"]}, {"container": [ref[:10]]}, {"label": ["k=v"]},
        {"label": ["k"]}, {"image": ["busybox"]}, {"event": ["start"]}, {"type": ["container"]},
    ):  # fmt: skip
        found = [e for e in api.events(since, **filters) if e["Actor"]["ID"] == ref]
        assert "start" in [e["Action"] for e in found], filters
    assert api.events(since, container=["bother"]) == []
    (start,) = api.events(since, event=["exec_start"], container=[ref])
    assert start["Action"] == "exec_start: true "
    assert api.events(since, event=["exec_start: true "], container=[ref]) == [start]


def test_b106_the_events_of_a_run_come_in_order(api: Api) -> None:
    since = now()
    ref = api.create("true")
    with api.raw("POST", f"/containers/{ref}/attach?{ATTACH}") as (_, client):
        api.start(ref)
        rest(client)
    api.wait(ref)
    api.do("DELETE", f"/containers/{ref}")
    actions = [e["Action"] for e in api.events(since, container=[ref], type=["container"])]
    assert actions == ["create", "attach", "start", "die", "destroy"]


def test_b107_the_past_ends_and_time_goes_forward(api: Api) -> None:
    assert api.ask("GET", "/events", since="1", until="2").body == b""
    assert api.ask("GET", "/events", since="5", until="1").status == 400


def test_b108_a_prune_tells_what_it_reclaimed(api: Api) -> None:
    since = now()
    ref = api.create("true", Labels={"bprune": "1"})
    filters = json.dumps({"label": ["bprune"]})
    found = api.do("POST", "/containers/prune", filters=filters)
    assert found["ContainersDeleted"] == [ref]
    (event,) = [e for e in api.events(since, type=["container"]) if e["Action"] == "prune"]
    assert event["Actor"]["Attributes"] == {"reclaimed": str(found["SpaceReclaimed"])}
