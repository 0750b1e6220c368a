"""The log: one line a request, and none of them a stranger's (users.md A12)."""

from __future__ import annotations

import contextlib
import json
import logging
import os

import pytest

from support.registry_events import outcome
from wharfie.registry.config.watching import LogConfig
from wharfie.registry.ports import Identity
from wharfie.registry.watching import logs
from wharfie.registry.watching.logs import AccessLog, Style

NASTY = 'x\n2027 level=error msg="forged"\r\x1b[31m\u202e\x00'


def written(config: LogConfig, *outcomes: object) -> list[str]:
    reader, writer = os.pipe()
    log = AccessLog(config, writer)
    for one in outcomes:
        log.answered(one)
    log.close()
    os.close(writer)
    with os.fdopen(reader, "rb") as file:
        return file.read().decode("ascii").split("\n")[:-1]


def test_a_request_in_json() -> None:
    (line,) = written(LogConfig(style="json", fields={"service": "registry"}), outcome())
    assert json.loads(line) == {
        "time": "2027-01-15T08:00:00.250000Z",
        "level": "info",
        "msg": "response completed",
        "service": "registry",
        "http.request.method": "GET",
        "http.request.uri": "/v2/team/app/manifests/latest",
        "http.request.remoteaddr": "192.0.2.1:50000",
        "http.request.host": "reg.example:5000",
        "http.request.useragent": "docker/28",
        "http.request.id": "r1",
        "http.response.status": 200,
        "http.response.written": 42,
        "http.response.duration": "20.000ms",
        "auth.user.name": "alice",
        "vars.name": "team/app",
    }


@pytest.mark.parametrize("style", ["text", "json"])
def test_no_line_is_a_strangers(style: str) -> None:
    bad = outcome(
        path=f"/{NASTY}", query=NASTY, user_agent=NASTY, host=NASTY, identity=Identity(NASTY),
        referer=NASTY * 1000, code="DENIED",
    )  # fmt: skip
    lines = written(LogConfig(style=style), bad, outcome())
    assert len(lines) == 2
    assert lines[0].isprintable()
    assert len(lines[0]) < 40_000
    if style == "json":
        assert json.loads(lines[0])["http.request.useragent"] == NASTY


def test_lines_nobody_reads_are_lost_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "_MOST_WAITING", 1)
    reader, writer = os.pipe()
    log = AccessLog(LogConfig(style="json"), writer)
    for _ in range(3000):  # a pipe holds some 100 of them
        log.answered(outcome(user_agent="x" * 300))
    lost, read = log.lost, b""
    os.set_blocking(reader, False)
    while log.waiting:
        with contextlib.suppress(BlockingIOError):
            read += os.read(reader, 1 << 20)
    log.close()
    with contextlib.suppress(BlockingIOError):
        read += os.read(reader, 1 << 20)
    os.close(reader)
    os.close(writer)
    lines = [json.loads(line) for line in read.splitlines()]
    noted = [line["count"] for line in lines if line["msg"] == "lines were lost"]
    assert lost > 0
    assert len(lines) - len(noted) + sum(noted) + log.lost == 3000


def test_other_lines_are_spelled_alike() -> None:
    record = logging.LogRecord("n", logging.WARNING, "f", 1, "hello %s", ("a b",), None)
    record.created = 1_800_000_000.0
    text = Style(LogConfig(fields={"a": "b"})).format(record)
    assert text == 'time=2027-01-15T08:00:00.000000Z level=warning msg="hello a b" a=b'
