"""A12 and A13: what clients send neither forges nor leaks in logs, errors, info and events.

Guard off: the same record through a plain formatter, and the same body logged without the mask.
"""

import base64
import contextlib
import json
import logging

import pytest

from support.daemon import Daemon, UnixConnection
from support.http_asking import reply_to
from support.http_services import Bench
from wharfie.api import application
from wharfie.api import logging as api_logging
from wharfie.model.errors import EngineError

ESCAPE = "\x1b[2J\u202e\x9bx\r\nforged"
CANARY = "canary-7f3a91"


@pytest.mark.root
@pytest.mark.parametrize("style", ["text", "json"])
def test_hostile_text_does_not_reach_the_log_as_it_is(style: str) -> None:
    with Daemon("--debug", f"--log-format={style}") as daemon:
        daemon.start()
        daemon.load_busybox()
        body = {"Image": "busybox", "Labels": {ESCAPE: ESCAPE}, "Env": [f"A={ESCAPE}"]}
        assert daemon.request("POST", "/containers/create", body)[0] == 201
        for path in (
            "/containers/create?name=%1b%5b2J%0d%0aforged",
            "/containers/%1b%0a%e2%80%ae/start",
            "/images/%1b%0a/tag?repo=%1b%0ax&tag=%e2%80%ae",
        ):
            assert 400 <= daemon.request("POST", path, {"Image": ESCAPE})[0] < 500
        with contextlib.closing(UnixConnection(daemon.socket)) as connection:
            connection.request("GET", "/info", headers={"User-Agent": "a\x1b\x9b", "X": "\x1b"})
            connection.getresponse().read()
        log = daemon.log_file.read_bytes()
        assert b"handling" in log
        assert not [byte for byte in (b"\x1b", b"\r", b"\xe2\x80\xae", b"\xc2\x9b") if byte in log]
        start = (b"time=", b"{", b'"')
        assert all(line.startswith(start) for line in log.splitlines() if line)


def secrets() -> list[tuple[str, str, object, dict[str, str]]]:
    login = {"username": "me", "password": CANARY, "serveraddress": "localhost:9"}
    header = base64.urlsafe_b64encode(json.dumps(login).encode()).decode()
    return [
        ("POST", "/auth", login, {}),
        ("POST", "/images/create?fromImage=localhost:9/x&tag=y", None, {"X-Registry-Auth": header}),
        ("POST", "/images/localhost:9/x/push?tag=y", None, {"X-Registry-Auth": header}),
        ("POST", "/swarm/join", {"JoinToken": CANARY, "RemoteAddrs": ["x"]}, {}),
        ("POST", "/swarm/unlock", {"UnlockKey": CANARY}, {}),
        ("POST", "/secrets/create", {"Name": "x", "Data": CANARY}, {}),
        ("GET", "/info", None, {"Authorization": f"Bearer {CANARY}"}),
    ]


@pytest.mark.root
def test_a_secret_is_in_no_log_answer_info_or_event() -> None:
    with Daemon("--debug", "--http-proxy", f"http://me:{CANARY}@127.0.0.1:9") as daemon:
        daemon.start()
        seen = []
        for method, path, body, headers in secrets():
            with contextlib.closing(UnixConnection(daemon.socket)) as connection:
                data = None if body is None else json.dumps(body)
                kind = {"Content-Type": "application/json"} if data else {}
                connection.request(method, path, data, headers | kind)
                seen.append(connection.getresponse().read().decode())
        for path in ("/info", "/version", "/events?since=0&until=2", "/system/df"):
            seen.append(daemon.request("GET", path)[1].decode())
        seen.append(daemon.docker("info").stdout)
        seen.append(daemon.log())
        assert not [text for text in seen if CANARY in text]
        assert "127.0.0.1:9" in daemon.docker("info").stdout, "the proxy itself is shown"


@pytest.mark.parametrize("guard", [True, False])
async def test_bodies_are_masked_in_the_log(
    guard: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    if not guard:
        monkeypatch.setattr(api_logging, "mask", lambda value: value)
    caplog.set_level(logging.DEBUG)
    bench = Bench()
    body = {"Image": "x", "Labels": {"Password": CANARY, "a": {"joinToken": CANARY}}}
    with contextlib.suppress(EngineError):
        await reply_to(application(bench.services), "POST", "/containers/create", body)
    logged = [str(getattr(record, "fields", "")) for record in caplog.records]
    assert any("form-data" in text for text in logged)
    assert any(CANARY in text for text in logged) is not guard


async def test_a_bug_says_nothing_of_its_insides() -> None:
    bench = Bench()
    bench.containers.error = RuntimeError(f"password={CANARY}")
    app = application(bench.services)
    reply = await reply_to(app, "POST", "/containers/create", {"Image": "x"})
    assert reply.status == 500
    assert CANARY.encode() not in reply.body
    assert b"Traceback" not in reply.body
