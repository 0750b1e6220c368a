"""Behaviours 51–80: states, verbs, waits, execs, top (docs/compatibility.md)."""

from __future__ import annotations

import json
import socket
import threading

import pytest

from support.api import FOREIGN, Api, now, payloads, rest

pytestmark = pytest.mark.root

OBEYS = "trap 'exit 3' TERM; echo up; while :; do sleep 0.05; done"
NEVER = "0001-01-01T00:00:00Z"


def obeying(api: Api, **config: object) -> str:
    """A container that ends with 3 when it is asked to."""
    ref = api.run("sh", "-c", OBEYS, **config)
    api.until("its trap", lambda: "up" in api.log(ref))
    return ref


def booleans(api: Api, ref: str) -> tuple[str, bool, bool, bool]:
    state = api.state(ref)
    return state["Status"], state["Running"], state["Paused"], state["Restarting"]


def test_b051_running_stays_true_while_paused(api: Api) -> None:
    ref = api.create("sleep", "600")
    assert booleans(api, ref) == ("created", False, False, False)
    api.start(ref)
    assert booleans(api, ref) == ("running", True, False, False)
    api.do("POST", f"/containers/{ref}/pause")
    assert booleans(api, ref) == ("paused", True, True, False)
    api.do("POST", f"/containers/{ref}/unpause")
    api.do("POST", f"/containers/{ref}/kill")
    assert booleans(api, ref) == ("exited", False, False, False)


def test_b051_running_stays_true_while_restarting(api: Api) -> None:
    ref = api.run("false", HostConfig={"RestartPolicy": {"Name": "always"}})
    api.until("a restart", lambda: booleans(api, ref) == ("restarting", True, False, True))


def test_b052_a_running_container_is_not_started(api: Api) -> None:
    ref = api.run("sleep", "600")
    reply = api.ask("POST", f"/containers/{ref}/start")
    assert (reply.status, reply.body) == (304, b"")
    api.do("POST", f"/containers/{ref}/pause")
    message = api.refused(409, "POST", f"/containers/{ref}/start")
    assert message == "cannot start a paused container, try unpause instead"


def test_b053_a_stop_waits_for_the_end(api: Api) -> None:
    ref = obeying(api)
    api.do("POST", f"/containers/{ref}/stop")
    assert api.state(ref)["ExitCode"] == 3
    assert api.ask("POST", f"/containers/{ref}/stop").status == 304


def test_b053_a_stop_without_patience_kills(api: Api) -> None:
    ref = api.run("sleep", "600")  # the first process of a namespace ignores SIGTERM
    api.do("POST", f"/containers/{ref}/stop", t=0)
    assert api.state(ref)["ExitCode"] == 137


def test_b053_a_paused_container_is_stopped(api: Api) -> None:
    ref = obeying(api)
    api.do("POST", f"/containers/{ref}/pause")
    api.do("POST", f"/containers/{ref}/stop", t=5)
    assert booleans(api, ref)[0] == "exited"


def test_b054_kill_takes_names_and_numbers(api: Api) -> None:
    script = "trap 'echo hup' HUP; echo up; while :; do sleep 0.05; done"
    ref = api.run("sh", "-c", script)
    api.until("its trap", lambda: "up" in api.log(ref))
    for count, name in enumerate(("HUP", "SIGHUP", "1", "sighup"), 1):
        api.do("POST", f"/containers/{ref}/kill", signal=name)
        api.until("the signal", lambda count=count: api.log(ref).count("hup") >= count)
    words = api.refused(400, "POST", f"/containers/{ref}/kill", signal="NOPE")
    assert words.lower() == f"cannot kill container: {ref}: invalid signal: nope"
    api.do("POST", f"/containers/{ref}/kill")
    assert api.state(ref)["ExitCode"] == 137
    words = api.refused(409, "POST", f"/containers/{ref}/kill")
    assert words == f"cannot kill container: {ref}: container {ref} is not running"


def test_b054_a_killed_container_is_not_restarted(api: Api) -> None:
    ref = api.run("sleep", "600", HostConfig={"RestartPolicy": {"Name": "always"}})
    api.do("POST", f"/containers/{ref}/kill")
    assert booleans(api, ref) == ("exited", False, False, False)


def test_b055_a_restart_keeps_what_is_removed_automatically(api: Api) -> None:
    ref = obeying(api, HostConfig={"AutoRemove": True})
    since = now()
    api.do("POST", f"/containers/{ref}/restart")
    assert booleans(api, ref)[0] == "running"
    actions = [one["Action"] for one in api.events(since, container=[ref], type=["container"])]
    assert sorted(actions) == ["die", "kill", "restart", "start", "stop"]
    assert actions[-2:] == ["start", "restart"]
    stopped = api.ended("true")
    api.do("POST", f"/containers/{stopped}/restart")


def test_b056_pauses_are_refused_in_these_words(api: Api) -> None:
    ref = api.run("sleep", "600")
    words = api.refused(500 if FOREIGN else 409, "POST", f"/containers/{ref}/unpause")
    assert words.lower() == f"container {ref} is not paused"
    api.do("POST", f"/containers/{ref}/pause")
    words = api.refused(409, "POST", f"/containers/{ref}/pause")
    assert words.lower() == f"container {ref} is already paused"
    other = api.create("true")
    assert "is not running" in api.refused(409, "POST", f"/containers/{other}/pause")


def test_b057_a_running_container_is_removed_by_force_only(api: Api) -> None:
    ref = api.run("sleep", "600", name="brunning")
    assert api.refused(409, "DELETE", "/containers/brunning") == (
        'cannot remove container "brunning": container is running: '
        "stop the container before removing or force remove"
    )
    api.do("POST", f"/containers/{ref}/pause")
    words = api.refused(409, "DELETE", f"/containers/{ref}")
    assert words.endswith("container is paused and must be unpaused first")
    api.do("DELETE", f"/containers/{ref}", force=1)
    api.refused(404, "GET", f"/containers/{ref}/json")


def test_b057_named_volumes_stay(api: Api) -> None:
    binds = {"Binds": ["bnamed:/n"]}
    ref = api.create("true", HostConfig=binds, Volumes={"/a": {}})
    anonymous = {m["Destination"]: m["Name"] for m in api.inspect(ref)["Mounts"]}["/a"]
    api.do("DELETE", f"/containers/{ref}", v=1)
    api.refused(404, "GET", f"/volumes/{anonymous}")
    api.do("DELETE", "/volumes/bnamed")


def test_b058_a_removed_name_is_free(api: Api) -> None:
    ref = api.create("true", name="bfreed")
    api.do("DELETE", f"/containers/{ref}")
    api.refused(404, "GET", f"/containers/{ref}/json")
    api.create("true", name="bfreed")


def waiting(api: Api, ref: str, condition: str) -> tuple[socket.socket, bytes]:
    """A registered waiter and the head of its answer."""
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(20)
    client.connect(str(api.socket))
    path = f"/v{api.version}/containers/{ref}/wait?condition={condition}"
    client.sendall(f"POST {path} HTTP/1.1\r\nHost: d\r\n\r\n".encode())
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += client.recv(1)
    return client, head


def answer(client: socket.socket) -> object:
    """The chunked JSON a waiter ends with."""
    data = b""
    while not data.endswith(b"0\r\n\r\n"):
        data += client.recv(4096)
    client.close()
    return json.loads(data.split(b"\r\n", 1)[1].split(b"\r\n")[0])


def test_b059_conditions_of_a_wait(api: Api) -> None:
    ref = api.create("sh", "-c", "exit 4")
    assert api.do("POST", f"/containers/{ref}/wait") == {"StatusCode": 0}
    next_exit, head = waiting(api, ref, "next-exit")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    removed, _ = waiting(api, ref, "removed")
    api.start(ref)
    assert answer(next_exit) == {"StatusCode": 4}
    assert api.do("POST", f"/containers/{ref}/wait", condition="not-running") == {"StatusCode": 4}
    api.do("DELETE", f"/containers/{ref}")
    assert answer(removed) == {"StatusCode": 4}
    other = api.create("true")
    words = api.refused(400, "POST", f"/containers/{other}/wait", condition="never")
    assert words == 'invalid condition: "never"'


@pytest.mark.parametrize("condition", ["removed", "next-exit"])
def test_b060_waiters_of_an_auto_removed_container_get_its_code(api: Api, condition: str) -> None:
    ref = api.create("sh", "-c", "exit 9", HostConfig={"AutoRemove": True})
    client, _ = waiting(api, ref, condition)
    api.start(ref)
    assert answer(client) == {"StatusCode": 9}
    api.until("its removal", lambda: api.ask("GET", f"/containers/{ref}/json").status == 404)
    api.refused(404, "POST", f"/containers/{ref}/wait")


def test_b061_removing_a_created_container_wakes_its_waiters(api: Api) -> None:
    ref = api.create("true")
    removed, _ = waiting(api, ref, "removed")
    next_exit, _ = waiting(api, ref, "next-exit")
    api.do("DELETE", f"/containers/{ref}")
    assert answer(removed) == {"StatusCode": 0}
    assert "StatusCode" in dict(answer(next_exit))  # type: ignore[call-overload]


def test_b062_b063_a_manual_start_counts_from_zero_again(api: Api) -> None:
    policy = {"Name": "on-failure", "MaximumRetryCount": 2}
    ref = api.run("false", HostConfig={"RestartPolicy": policy})
    api.until("the last try", lambda: booleans(api, ref)[0] == "exited")
    assert api.inspect(ref)["RestartCount"] == 2
    api.do("POST", f"/containers/{ref}/update", {"RestartPolicy": {"Name": "no"}})
    api.start(ref)
    api.wait(ref)
    assert api.inspect(ref)["RestartCount"] == 0


def test_b064_a_container_whose_network_fails_stays_created(api: Api) -> None:
    bindings = {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "18764"}]}
    api.run("sleep", "600", HostConfig={"PortBindings": bindings})
    ref = api.create("true", HostConfig={"PortBindings": bindings})
    words = api.refused(500, "POST", f"/containers/{ref}/start")
    assert "port is already allocated" in words
    state = api.state(ref)
    assert (state["Status"], "already allocated" in state["Error"]) == ("created", True)


@pytest.mark.parametrize(
    ("command", "status", "code", "words"),
    [
        ("nosuch", 400, 127, "executable file not found in $PATH"),
        ("/etc/passwd", 400, 126, "permission denied"),
        ("/no/such", 400, 127, "no such file or directory"),
    ],
)
def test_b065_b066_failures_of_a_start_have_their_words_and_codes(
    api: Api, command: str, status: int, code: int, words: str
) -> None:
    ref = api.create(command)
    message = api.refused(status, "POST", f"/containers/{ref}/start")
    assert words in message
    assert message.startswith("failed to create task for container: failed to create shim task: ")
    assert "OCI runtime create failed: " in message
    state = api.state(ref)
    assert (state["Status"], state["ExitCode"]) == ("created", code)
    assert words in state["Error"]


def test_b065_a_directory_on_a_file_is_told(api: Api) -> None:
    ref = api.create("true", HostConfig={"Binds": ["/tmp:/etc/passwd"]})
    words = api.refused(400, "POST", f"/containers/{ref}/start")
    assert "Are you trying to mount a directory onto a file (or vice-versa)?" in words
    assert api.state(ref)["ExitCode"] == 127


def test_b067_death_by_signal_is_128_and_more(api: Api) -> None:
    ref = api.ended("sh", "-c", "sh -c 'kill -9 $$'; exit $?")
    assert api.state(ref)["ExitCode"] == 137
    assert api.state(api.create("true"))["ExitCode"] == 0


def test_b068_times_that_have_not_come_are_zero(api: Api) -> None:
    ref = api.create("true")
    state = api.state(ref)
    assert (state["StartedAt"], state["FinishedAt"], state["Error"]) == (NEVER, NEVER, "")
    api.start(ref)
    api.wait(ref)
    state = api.state(ref)
    assert state["StartedAt"] < state["FinishedAt"]
    assert state["StartedAt"].endswith("Z")


def test_b070_automatic_removal_follows_the_end(api: Api) -> None:
    since = now()
    ref = api.run("true", HostConfig={"AutoRemove": True})

    def actions_on_it() -> list[str]:
        found = api.events(since, type=["container", "network"])
        return [
            one["Action"]
            for one in found
            if ref in (one["Actor"]["ID"], one["Actor"]["Attributes"].get("container"))
        ]

    api.until("its removal", lambda: "destroy" in actions_on_it())
    assert api.ask("GET", f"/containers/{ref}/json").status == 404
    actions = actions_on_it()
    assert actions.index("die") < actions.index("disconnect") < actions.index("destroy")


def test_b072_execs_are_refused_in_these_words(api: Api) -> None:
    ref = api.create("sleep", "600")
    path, body = f"/containers/{ref}/exec", {"Cmd": ["true"]}
    assert api.refused(409, "POST", path, body) == f"container {ref} is not running"
    api.start(ref)
    assert api.refused(400, "POST", path, {"Cmd": []}) == "No exec command specified"
    api.do("POST", f"/containers/{ref}/pause")
    words = api.refused(409, "POST", path, body)
    assert words.lower() == f"container {ref} is paused, unpause the container before exec"


def test_b073_an_exec_that_cannot_start_says_so_in_its_stream(api: Api) -> None:
    ref = api.run("sleep", "600")
    for command, code, words in (
        ("nosuch", 127, "executable file not found in $PATH"),
        ("/etc/passwd", 126, "permission denied"),
    ):
        found, output = api.exec(ref, command)
        assert found == code
        assert words in output
    made = api.do("POST", f"/containers/{ref}/exec", {"Cmd": ["true"]})["Id"]
    api.ask("POST", f"/exec/{made}/start", {"Detach": False})
    words = api.refused(409, "POST", f"/exec/{made}/start", {"Detach": True})
    assert words.lower().endswith(("has already run", "is already running"))


def test_b074_an_exec_has_no_code_before_its_end(api: Api) -> None:
    ref = api.run("sleep", "600")
    made = api.do("POST", f"/containers/{ref}/exec", {"Cmd": ["sleep", "600"]})["Id"]
    found = api.get(f"/exec/{made}/json")
    assert (found["Running"], found["ExitCode"], found["Pid"]) == (False, None, 0)
    api.do("POST", f"/exec/{made}/start", {"Detach": True})
    found = api.get(f"/exec/{made}/json")
    assert (found["Running"], found["ExitCode"], found["Pid"] > 0) == (True, None, True)
    assert api.inspect(ref)["ExecIDs"] == [made]


def test_b076_an_exec_has_the_containers_world_and_its_own(api: Api) -> None:
    ref = api.run("sleep", "600", Env=["A=container"], WorkingDir="/tmp", User="7:8")
    assert api.exec(ref, "sh", "-c", "echo $A $B; pwd; id -u; id -g", Env=["B=exec"]) == (
        0, "container exec\n/tmp\n7\n8\n",
    )  # fmt: skip
    code, output = api.exec(
        ref, "sh", "-c", "pwd; id -u; grep CapEff /proc/self/status",
        WorkingDir="/etc", User="0", Privileged=True,
    )  # fmt: skip
    directory, user, capabilities = output.splitlines()
    assert (code, directory, user) == (0, "/etc", "0")
    plain = api.exec(ref, "grep", "CapEff", "/proc/self/status", User="0")[1]
    assert int(capabilities.split()[1], 16) > int(plain.split()[1], 16)


def test_b076_an_unknown_user_is_told(api: Api) -> None:
    ref = api.run("sleep", "600")
    made = api.ask("POST", f"/containers/{ref}/exec", {"Cmd": ["true"], "User": "nobodyhere"})
    reply = made
    if made.status == 201:
        reply = api.ask("POST", f"/exec/{made.json['Id']}/start", {"Detach": False})
    assert b"unable to find user nobodyhere: no matching entries in passwd file" in reply.body


def test_b077_a_resize_comes_before_and_after_the_start(api: Api) -> None:
    ref = api.run("sleep", "600")
    body = {"Cmd": ["sh", "-c", "sleep 0.3; stty size"], "Tty": True, "AttachStdout": True}
    made = api.do("POST", f"/containers/{ref}/exec", body)["Id"]
    early: list[int] = []
    waiting_ = threading.Thread(
        target=lambda: early.append(api.ask("POST", f"/exec/{made}/resize", h=9, w=99).status)
    )
    waiting_.start()
    with api.raw("POST", f"/exec/{made}/start", {"Tty": True}) as (_, client):
        output = rest(client)
    waiting_.join(20)
    assert (early, output) == ([200], b"9 99\r\n")
    assert api.ask("POST", f"/exec/{made}/resize", h=9, w=99).status >= 400


def test_b078_the_terminal_of_a_stopped_container_has_no_size(api: Api) -> None:
    ref = api.create("sh", Tty=True, OpenStdin=True)
    words = api.refused(409, "POST", f"/containers/{ref}/resize", h=9, w=99)
    assert words.lower() == f"container {ref} is not running"
    api.start(ref)
    for height in (0, 24):
        api.do("POST", f"/containers/{ref}/resize", h=height, w=80)


def test_b079_top_is_the_hosts_ps(api: Api) -> None:
    ref = api.create("sleep", "600")
    words = api.refused(409, "GET", f"/containers/{ref}/top")
    assert words.lower() == f"container {ref} is not running"
    api.start(ref)
    found = api.get(f"/containers/{ref}/top")
    assert found["Titles"][:3] == ["UID", "PID", "PPID"]
    assert found["Processes"][0][-1] == "sleep 600"
    found = api.get(f"/containers/{ref}/top", ps_args="-o pid,comm")
    assert found["Titles"] == ["PID", "COMMAND"]
    assert "PID" in api.ask("GET", f"/containers/{ref}/top", ps_args="-o comm").message


def test_b080_updates_answer_with_warnings(api: Api) -> None:
    ref = api.run("sleep", "600")
    assert api.do("POST", f"/containers/{ref}/update", {"CpuShares": 512}) == {"Warnings": None}
    assert api.inspect(ref)["HostConfig"]["CpuShares"] == 512


def test_b075_an_exec_without_streams_ends_its_connection(api: Api) -> None:
    ref = api.run("sleep", "600")
    made = api.do("POST", f"/containers/{ref}/exec", {"Cmd": ["echo", "unheard"]})["Id"]
    with api.raw("POST", f"/exec/{made}/start", {"Detach": False}) as (_, client):
        assert payloads(rest(client)) == []
    assert api.get(f"/exec/{made}/json")["ExitCode"] == 0
