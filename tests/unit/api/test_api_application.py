import asyncio
import base64
import json
import logging

import pytest

from support.http_asking import ask, reply_to
from support.http_services import IMAGE_ID, Bench, sample_container, sample_image
from wharfie.api import application
from wharfie.api.operations import MULTIPLEXED, RAW
from wharfie.api.routes.containers import Stop
from wharfie.engine.containers import AttachRequest
from wharfie.formats.logs.runs import LogRun
from wharfie.formats.stdcopy import Decoder
from wharfie.model.container import NEVER, Config, ExitStatus, WaitCondition
from wharfie.model.errors import (
    Conflict,
    Forbidden,
    NoSuchImage,
    NotModified,
    StartFailed,
)
from wharfie.web import Stream

NOW = 1767323165 * 10**9  # two minutes after the sample was started


@pytest.fixture
def bench():
    one = Bench()
    one.containers.add(sample_container())
    return one


@pytest.fixture
def app(bench):
    return application(bench.services, clock=lambda: NOW)


async def test_ping_has_all_headers(app):
    for method, body in (("GET", b"OK"), ("HEAD", b"")):
        for path in ("/_ping", "/v1.41/_ping"):
            reply = await reply_to(app, method, path)
            assert (reply.status, reply.body) == (200, body)
            assert reply.content_type == "text/plain; charset=utf-8"
            for line in (
                b"Api-Version: 1.51\r\n",
                b"Builder-Version: 1\r\n",
                b"Cache-Control: no-cache, no-store, must-revalidate\r\n",
                b"Docker-Experimental: false\r\n",
                b"Ostype: linux\r\n",
                b"Pragma: no-cache\r\n",
                b"Server: Docker/9.8.7 (linux)\r\n",
                b"Swarm: inactive\r\n",
            ):
                assert line in reply.headers


async def test_unknown_paths_and_methods_are_404_without_our_headers(app):
    for method, path in (("GET", "/nothing"), ("PUT", "/info"), ("GET", "/v1.51"), ("POST", "*")):
        reply = await reply_to(app, method, path)
        assert (reply.status, reply.headers) == (404, b"")
        assert reply.body == b'{"message":"page not found"}\n'


async def test_options_are_answered_for_any_path(app):
    assert await ask(app, "OPTIONS", "/whatever") == (200, None)


async def test_versions_out_of_range_are_refused(app):
    assert await ask(app, "GET", "/v1.52/info") == (
        400,
        {"message": "client version 1.52 is too new. Maximum supported API version is 1.51"},
    )
    status, body = await ask(app, "GET", "/v1.23/info")
    assert (status, body) == (
        400,
        b"client version 1.23 is too old. Minimum supported API version is 1.24, "
        b"please upgrade your client to a newer version\n",
    )
    assert (await ask(app, "GET", "/v1.9/info"))[0] == 400
    assert (await ask(app, "GET", "/v1.51.0.0/info"))[0] == 400
    assert (await ask(app, "GET", "/v..1/info"))[0] == 400
    assert (await ask(app, "GET", "/v1.24/info"))[0] == 200


async def test_routes_have_their_minimum(app):
    assert await ask(app, "POST", "/v1.24/containers/prune") == (
        400,
        {"message": "POST /containers/prune requires minimum API version 1.25"},
    )


async def test_errors_carry_exactly_dockers_content_type(app):
    reply = await reply_to(app, "GET", "/containers/nope/json")
    assert reply.status == 404
    assert reply.content_type == "application/json"
    assert reply.body == b'{"message":"No such container: nope"}\n'
    assert b"Api-Version: 1.51" in reply.headers


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (Conflict("c"), 409),
        (Forbidden("f"), 403),
        (StartFailed("s", 127), 400),
        (StartFailed("s", 128), 500),
    ],
)
async def test_errors_become_their_status(app, bench, error, status):
    bench.containers.error = error
    assert await ask(app, "POST", "/containers/web1/start") == (status, {"message": str(error)})


async def test_not_modified_has_no_body(app, bench):
    bench.containers.error = NotModified("x")
    assert await ask(app, "POST", "/containers/web1/stop") == (304, None)


async def test_bugs_are_500_and_logged_not_told(app, bench, caplog):
    bench.containers.error = ZeroDivisionError("secret detail")
    status, body = await ask(app, "POST", "/containers/web1/start")
    assert status == 500
    assert "secret" not in body["message"]
    assert any(record.exc_info for record in caplog.records)


async def test_the_gate_sees_the_command_and_may_refuse(bench):
    seen, facts = [], []

    def gate(call):
        seen.append((call.caller.uid, call.command))
        facts.append((call.operation, dict(call.names), call.version))
        raise Forbidden("not you")

    app = application(bench.services, gate=gate)
    assert await ask(app, "POST", "/containers/web1/stop?t=3") == (403, {"message": "not you"})
    assert seen == [(0, Stop("web1", 3.0, None))]
    assert facts == [("POST /containers/{ref}/stop", {"ref": "web1"}, "1.51")]
    assert bench.containers.calls == []
    assert (await ask(app, "POST", "/containers/create", {"Image": "a"}))[0] == 403
    assert seen[1][1].config.image == "a"
    assert (await ask(app, "GET", "/_ping"))[0] == 200


async def test_create_decodes_everything(app, bench):
    status, body = await ask(
        app,
        "POST",
        "/v1.51/containers/create?name=/web&platform=linux/arm64",
        {
            "image": "busybox",
            "Cmd": "true",
            "HostConfig": {"AutoRemove": True},
            "NetworkingConfig": {"EndpointsConfig": {"n": {"Aliases": ["a"]}}},
        },
    )
    assert (status, body) == (201, {"Id": "c" * 64, "Warnings": []})
    spec = bench.containers.calls[0][1]
    assert (spec.name, spec.platform) == ("web", "linux/arm64")
    assert spec.config == Config(image="busybox", cmd=["true"])
    assert spec.host_config.auto_remove
    assert spec.networking.endpoints_config["n"].aliases == ["a"]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (None, "invalid JSON: got EOF while reading request body"),
        (b"{}", "config cannot be empty in order to create a container"),
        (b'{"HostConfig":{}}', "config cannot be empty in order to create a container"),
        (b"{}{}", "unexpected content after JSON"),
    ],
)
async def test_create_refuses_what_is_no_container(app, bench, body, message):
    assert await ask(app, "POST", "/containers/create", body) == (400, {"message": message})
    assert bench.containers.calls == []


async def test_bodies_must_say_they_are_json(app):
    status, body = await ask(
        app, "POST", "/containers/create", b"{}", content_type="application/x-tar"
    )
    assert status == 400
    assert body["message"].startswith("unsupported Content-Type header (application/x-tar)")


async def test_too_large_bodies_are_413(app):
    body = b'{"Image":"' + b"a" * (9 << 20) + b'"}'
    assert (await ask(app, "POST", "/containers/create", body))[0] == 413


@pytest.mark.parametrize(
    ("method", "target", "call", "status"),
    [
        ("POST", "/containers/w/start", ("start", "w"), 204),
        ("POST", "/containers/w/stop", ("stop", "w", None, None), 204),
        ("POST", "/containers/w/stop?t=0&signal=INT", ("stop", "w", 0.0, "INT"), 204),
        ("POST", "/v1.41/containers/w/stop?signal=INT", ("stop", "w", None, None), 204),
        ("POST", "/containers/w/restart?t=-1", ("restart", "w", -1.0, None), 204),
        ("POST", "/containers/w/kill?signal=HUP", ("kill", "w", "HUP"), 204),
        ("POST", "/containers/w/pause", ("pause", "w"), 204),
        ("POST", "/containers/w/unpause", ("unpause", "w"), 204),
        ("POST", "/containers/w/rename?name=x", ("rename", "w", "x"), 204),
        ("POST", "/containers/w/resize?h=24&w=80", ("resize", "w", 24, 80), 200),
        ("DELETE", "/containers/w?v=1&force=true", ("remove", "w", True, True, False), 204),
        ("DELETE", "/containers/w?force=0&link=1", ("remove", "w", False, False, True), 204),
        ("GET", "/containers/w/top?ps_args=-ef", ("top", "w", "-ef"), 200),
    ],
)
async def test_verbs_reach_the_engine(app, bench, method, target, call, status):
    assert (await ask(app, method, target))[0] == status
    assert bench.containers.calls == [call]


@pytest.mark.parametrize("target", ["stop?t=x", "resize?h=1", "resize?h=x&w=1", "resize?h=-1&w=1"])
async def test_malformed_arguments_never_reach_the_engine(app, bench, target):
    assert (await ask(app, "POST", f"/containers/w/{target}"))[0] == 400
    assert bench.containers.calls == []


async def test_start_refuses_the_long_gone_body(app):
    status, body = await ask(app, "POST", "/containers/w/start", {"HostConfig": {}})
    assert (status, body["message"][:27]) == (400, "starting container with non")


async def test_lists_of_containers(app, bench):
    status, body = await ask(app, "GET", '/containers/json?all=1&limit=5&filters={"name":["w"]}')
    assert status == 200
    assert [item["Status"] for item in body] == ["Up About a minute"]
    _, filters, all_, limit = bench.containers.calls[0]
    assert (filters.names, all_, limit) == (["w"], True, 5)
    assert "SizeRw" not in body[0]
    _, body = await ask(app, "GET", "/containers/json?size=1")
    assert (body[0]["SizeRw"], body[0]["SizeRootFs"]) == (10, 1010)


async def test_an_empty_list_is_no_null(app, bench):
    bench.containers.records.clear()
    assert await ask(app, "GET", "/containers/json") == (200, [])


async def test_inspect_shows_sizes_only_when_asked(app):
    _, body = await ask(app, "GET", "/containers/web1/json")
    assert "SizeRw" not in body
    _, body = await ask(app, "GET", "/containers/web1/json?size=1")
    assert body["SizeRootFs"] == 1010


async def test_wait_is_registered_before_its_head(app, bench):
    reply = await reply_to(app, "POST", "/containers/web1/wait?condition=next-exit")
    assert isinstance(reply, Stream)
    assert bench.containers.calls == [("wait", "web1", WaitCondition.NEXT_EXIT)]
    bench.containers.waiters[0].set_result(ExitStatus(3))
    assert [chunk async for chunk in reply.chunks] == [b'{"StatusCode":3}\n']


async def test_wait_tells_why_a_removal_failed(app, bench):
    reply = await reply_to(app, "POST", "/containers/web1/wait")
    bench.containers.waiters[0].set_result(ExitStatus(125, "stuck"))
    assert json.loads(b"".join([chunk async for chunk in reply.chunks])) == {
        "StatusCode": 125,
        "Error": {"Message": "stuck"},
    }


async def test_a_wait_nobody_reads_any_more_lets_go(app, bench):
    reply = await reply_to(app, "POST", "/containers/web1/wait")
    reading = asyncio.ensure_future(anext(reply.chunks))
    await asyncio.sleep(0)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert bench.containers.waiters[0].cancelled()


async def test_wait_refusals(app):
    assert (await ask(app, "POST", "/containers/nope/wait"))[0] == 404
    assert await ask(app, "POST", "/containers/web1/wait?condition=x") == (
        400,
        {"message": 'invalid condition: "x"'},
    )
    assert isinstance(
        await reply_to(app, "POST", "/v1.41/containers/web1/wait?condition=x"), Stream
    )


async def test_attach_refuses_before_it_hijacks(app, bench):
    assert (await ask(app, "POST", "/containers/nope/attach?stream=1"))[0] == 404
    status, hijack = await ask(
        app, "POST", "/containers/web1/attach?stream=1&stdin=1&stdout=1&detachKeys=ctrl-a"
    )
    assert (status, hijack.content_type) == (101, MULTIPLEXED)
    assert bench.streams.queries[-1] == AttachRequest(
        stdin=True, stdout=True, stream=True, detach_keys="ctrl-a"
    )
    _, hijack = await ask(app, "POST", "/v1.41/containers/web1/attach")
    assert hijack.content_type == RAW


async def test_terminals_are_raw(app, bench):
    bench.containers.add(sample_container(2, config=Config(tty=True)))
    _, hijack = await ask(app, "POST", "/containers/web2/attach?stream=1")
    assert hijack.content_type == RAW


ENTRIES = [
    LogRun(1, "2026-01-01T00:00:00.000000001Z", [b"out"], {"b": "x y", "a": "1"}),
    LogRun(2, "2026-01-01T00:00:00.000000002Z", [b"err"], {}),
]


async def test_logs_are_framed(app, bench):
    bench.streams.entries = ENTRIES
    _, data = await ask(app, "GET", "/containers/web1/logs?stdout=1&stderr=1")
    assert list(Decoder().feed(data)) == [(1, b"out\n"), (2, b"err\n")]


async def test_logs_of_terminals_are_not(app, bench):
    bench.streams.entries = ENTRIES[:1]
    bench.containers.add(sample_container(2, config=Config(tty=True)))
    assert (await ask(app, "GET", "/containers/web2/logs?stdout=1"))[1] == b"out\n"


async def test_log_lines_carry_times_and_details(app, bench):
    bench.streams.entries = ENTRIES[:1]
    _, data = await ask(app, "GET", "/containers/web1/logs?stdout=1&timestamps=1&details=1")
    frame = next(Decoder().feed(data))
    assert frame.payload == b"2026-01-01T00:00:00.000000001Z a=1,b=x+y out\n"


@pytest.mark.parametrize(
    ("text", "tail"), [("all", -1), ("5", 5), ("0", 0), ("-1", -1), ("x", -1), ("9" * 5000, -1)]
)
async def test_tails(app, bench, text, tail):
    await ask(app, "GET", f"/containers/web1/logs?stdout=1&since=10m&tail={text}")
    query = bench.streams.queries[-1]
    assert (query.tail, query.since, query.stderr) == (tail, NOW - 600 * 10**9, False)


async def test_logs_need_a_stream(app):
    assert (await ask(app, "GET", "/containers/web1/logs"))[0] == 400


async def test_archive_headers(app):
    reply = await reply_to(app, "HEAD", "/containers/web1/archive?path=/etc")
    value = reply.headers.partition(b"X-Docker-Container-Path-Stat: ")[2].partition(b"\r\n")[0]
    assert json.loads(base64.b64decode(value)) == {
        "name": "etc",
        "size": 4096,
        "mode": 2147484141,
        "mtime": "2026-01-01T00:00:00Z",
        "linkTarget": "",
    }
    assert (await ask(app, "GET", "/containers/web1/archive?path=/etc"))[1] == b"tarball"
    assert (await ask(app, "GET", "/containers/web1/archive"))[0] == 400


async def test_archives_are_streamed_in(app, bench):
    assert await ask(app, "PUT", "/containers/web1/archive?path=/", b"tar") == (200, None)
    assert bench.files.received == b"tar"


async def test_changes_are_null_when_there_are_none(app):
    reply = await reply_to(app, "GET", "/containers/web1/changes")
    assert reply.body == b"null\n"
    assert await ask(app, "GET", "/containers/changed/changes") == (
        200,
        [{"Path": "/etc", "Kind": 0}],
    )


async def test_exec_flow(app, bench):
    status, body = await ask(
        app, "POST", "/containers/web1/exec", {"Cmd": ["sh"], "AttachStdout": True, "Env": None}
    )
    assert (status, body) == (201, {"Id": "f" * 64})
    status, hijack = await ask(app, "POST", f"/exec/{'f' * 64}/start", {"Detach": False})
    assert (status, hijack.content_type) == (101, MULTIPLEXED)
    assert await ask(app, "POST", f"/exec/{'f' * 64}/start", {"Detach": True}) == (200, None)
    assert bench.execs.calls[-1] == ("detached", "f" * 64)
    assert await ask(app, "POST", f"/exec/{'f' * 64}/resize?h=1&w=2") == (200, None)
    _, body = await ask(app, "GET", f"/exec/{'f' * 64}/json")
    assert body["ExitCode"] is None
    assert body["ProcessConfig"] == {
        "tty": False,
        "entrypoint": "sh",
        "arguments": [],
        "privileged": False,
    }
    assert (await ask(app, "GET", "/exec/none/json"))[0] == 404


async def test_an_exec_without_body_is_the_engines_to_refuse(app, bench):
    assert (await ask(app, "POST", "/containers/web1/exec"))[0] == 201
    assert bench.execs.calls[0][2].cmd == []


async def test_progress_that_fails_first_has_a_status(app, bench):
    assert (await ask(app, "POST", "/images/create?fromImage=nope&tag=1"))[0] == 404


async def test_a_load_that_fails_says_so_in_the_stream(app, bench):
    """docker-py raises its ImageLoadError for nothing else."""
    bench.images.messages = [Conflict("broken archive")]
    status, data = await ask(app, "POST", "/images/load", b"tar")
    assert bench.images.received == b"tar"
    said = data if isinstance(data, dict) else json.loads(data)
    told = {"errorDetail": {"message": "broken archive"}, "error": "broken archive"}
    assert (status, said) == (200, told)


async def test_progress_that_fails_later_says_so_in_the_stream(app, bench):
    bench.images.messages = [{"status": "x"}, Conflict("broken")]
    status, data = await ask(app, "POST", "/images/load", b"tar")
    lines = [json.loads(line) for line in data.split(b"\r\n") if line]
    assert status == 200
    assert lines == [{"status": "x"}, {"errorDetail": {"message": "broken"}, "error": "broken"}]


async def test_images(app, bench):
    _, body = await ask(app, "GET", "/images/json")
    assert (body[0]["RepoTags"], body[0]["Containers"]) == (["busybox:latest"], 2)
    _, body = await ask(app, "GET", "/v1.50/images/json")
    assert body[0]["Containers"] == -1
    _, body = await ask(app, "GET", "/images/busybox/json")
    assert body["Config"]["Volumes"] is None
    assert await ask(app, "GET", "/images/a%2Fb/json") == (
        404,
        {"message": "No such image: a/b:latest"},
    )
    assert await ask(app, "DELETE", "/images/busybox") == (
        200,
        [{"Untagged": "busybox:latest"}, {"Deleted": sample_image().id}],
    )
    _, body = await ask(app, "POST", "/images/prune")
    assert body == {"ImagesDeleted": None, "SpaceReclaimed": 0}
    assert (await ask(app, "POST", "/images/busybox/tag?repo=a&tag=b"))[0] == 201


async def test_events_replay_and_end(app, bench):
    bench.events._clock = lambda: NOW
    bench.events.publish("container", "start", "i" * 64, {"image": "busybox", "name": "web"})
    bench.events.publish("network", "create", "n" * 64, {"name": "net"})
    _, data = await ask(app, "GET", f"/events?since=1&until={NOW // 10**9 - 1 + 1}")
    first, second = [json.loads(line) for line in data.splitlines()]
    assert (first["status"], first["id"], first["from"]) == ("start", "i" * 64, "busybox")
    assert second["Type"] == "network"
    assert "status" not in second
    assert (await ask(app, "GET", "/events?since=2&until=1"))[0] == 400


async def test_version_and_info(app):
    _, body = await ask(app, "GET", "/version")
    assert (body["ApiVersion"], body["MinAPIVersion"], body["Arch"]) == ("1.51", "1.24", "amd64")
    assert [one["Name"] for one in body["Components"]] == ["Engine", "crun"]
    _, body = await ask(app, "GET", "/v1.48/info")
    assert body["Swarm"]["LocalNodeState"] == "inactive"
    assert body["RuncCommit"] == {"ID": "", "Expected": ""}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/swarm", 503),
        ("GET", "/services", 503),
        ("GET", "/nodes/x", 503),
        ("POST", "/swarm/init", 501),
        ("POST", "/session", 501),
        ("POST", "/grpc", 501),
        ("GET", "/plugins", 200),
        ("GET", "/containers/web1/attach/ws", 400),
        ("GET", "/containers/nope/stats", 404),
    ],
)
async def test_what_is_not_served_says_so(app, method, path, status):
    assert (await ask(app, method, path))[0] == status


async def test_stats_are_one_sample_two_or_a_stream(app):
    _, one = await ask(app, "GET", "/containers/web1/stats?stream=0&one-shot=1")
    assert (one["preread"], one["precpu_stats"]["cpu_usage"]["total_usage"]) == (NEVER, 0)
    _, two = await ask(app, "GET", "/containers/web1/stats?stream=0")
    assert (two["name"], two["read"][:4], two["preread"][-3:]) == ("/web1", "1970", "01Z")
    reply = await reply_to(app, "GET", "/containers/web1/stats")
    assert [json.loads(chunk)["read"][-3:] async for chunk in reply.chunks] == ["01Z", "02Z"]
    status, body = await ask(app, "GET", "/containers/web1/stats?one-shot=1")
    assert (status, body["message"]) == (400, "cannot have stream=true and one-shot=true")


async def test_an_update_takes_whatever_go_would(app, bench):
    body = {"memory": 7, "PidsLimit": None, "RestartPolicy": {"name": "always"}, "Devices": []}
    assert await ask(app, "POST", "/containers/web1/update", body) == (200, {"Warnings": None})
    (spec,) = bench.updates.specs
    assert (spec.memory, spec.pids_limit, spec.restart_policy.name) == (7, None, "always")
    assert (await ask(app, "POST", "/containers/nope/update", {}))[0] == 404


@pytest.mark.parametrize("body", [None, {}])
async def test_a_commit_without_a_config_takes_the_containers(app, bench, body):
    path = "/commit?container=web1&repo=r&tag=t&changes=CMD%20x&changes=USER%20y&author=a"
    assert await ask(app, "POST", path, body) == (201, {"Id": IMAGE_ID})
    (spec,) = bench.commits.specs
    assert (spec.repository, spec.tag, spec.author, spec.pause) == ("r", "t", "a", True)
    assert (spec.changes, spec.config) == (["CMD x", "USER y"], None)


async def test_a_commits_config_is_go_lenient(app, bench):
    body = {"cmd": "x", "Labels": None, "ExposedPorts": {"80/tcp": {}}}
    assert (await ask(app, "POST", "/commit?container=web1&pause=0", body))[0] == 201
    (spec,) = bench.commits.specs
    assert (spec.pause, spec.config.cmd, spec.config.labels) == (False, ["x"], {})
    assert (await ask(app, "POST", "/commit?container=nope"))[0] == 404


async def test_swarm_answers_as_outside_any_swarm(app):
    _, body = await ask(app, "GET", "/services")
    assert body["message"] == (
        'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to '
        "connect this node to swarm and try again."
    )


async def test_b098_requests_are_logged_with_secrets_masked(app, caplog):
    caplog.set_level(logging.DEBUG, "wharfie.api")
    body = {"Cmd": ["x"], "Password": "hunter2", "deep": [{"Secret": "s"}]}
    await ask(app, "POST", "/v1.51/containers/web1/exec?a=b", body)
    record = next(one for one in caplog.records if one.getMessage() == "handling POST request")
    assert record.fields["request-url"] == "/v1.51/containers/web1/exec?a=b"
    assert record.fields["vars"] == {"ref": "web1"}
    assert record.fields["form-data"] == {
        "Cmd": ["x"],
        "Password": "*****",
        "deep": [{"Secret": "*****"}],
    }


async def test_missing_images_are_told_as_docker_does(app, bench):
    bench.containers.error = NoSuchImage("x:latest")
    assert await ask(app, "POST", "/containers/create", {"Image": "x"}) == (
        404,
        {"message": "No such image: x:latest"},
    )
