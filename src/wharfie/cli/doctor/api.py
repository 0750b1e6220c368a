"""The conversation itself: does the daemon accept us, which API does it speak, what time is it."""

from __future__ import annotations

import datetime
import email.utils
import os
import socket

from wharfie.cli.doctor.findings import fail, ok, warn
from wharfie.cli.doctor.hints import hint_of
from wharfie.cli.doctor.network import Findings
from wharfie.client.daemon import API_VERSION, MIN_API_VERSION, Client, read_json, version_key
from wharfie.client.endpoint import Endpoint
from wharfie.client.errors import Cause, ClientError, DaemonError

_TOLERATED = 60.0
_PATIENCE = 5.0


def check_api(endpoint: Endpoint) -> Findings:
    """Yield what the daemon says; returns whether it answers, and in time."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_PATIENCE)
    try:
        return (yield from _ask(endpoint))
    finally:
        socket.setdefaulttimeout(before)


def _ask(endpoint: Endpoint) -> Findings:
    client = Client(endpoint, user_agent="Wharfie-Doctor")
    try:
        response = client.call("GET", "/version")
        document = read_json(response)
    except DaemonError as error:
        # 400 is its answer to a version that it does not speak; else it has troubles of its own.
        check = "API version" if error.status == 400 else "daemon"
        yield fail(check, str(error), f"on {endpoint.host}: journalctl -u wharfie")
        return False
    except ClientError as error:
        check = "client certificate" if client.cause == Cause.CLIENT_REFUSED else "daemon"
        remedy = hint_of(client.cause, endpoint) or f"on {endpoint.host}: journalctl -u wharfie"
        yield fail(check, str(error), remedy)
        return False
    found = document if isinstance(document, dict) else {}
    yield ok("daemon", f"it answers: {found.get('Version', 'of an unknown version')}")
    newest = str(found.get("ApiVersion") or MIN_API_VERSION)
    oldest = str(found.get("MinAPIVersion") or MIN_API_VERSION)
    yield from _versions(oldest, newest)
    yield from _clock(response.headers.get("date", ""))
    return True


def _versions(oldest: str, newest: str) -> Findings:
    pinned = os.environ.get("DOCKER_API_VERSION", "").removeprefix("v")
    if pinned and not version_key(oldest) <= version_key(pinned) <= version_key(newest):
        yield fail(
            "API version",
            f"DOCKER_API_VERSION is {pinned}, and the daemon speaks {oldest} to {newest}",
            "unset DOCKER_API_VERSION",
        )
    elif version_key(oldest) > version_key(API_VERSION):
        yield fail(
            "API version",
            f"the daemon speaks {oldest} and newer, and we speak {API_VERSION} and older",
            "pip install --upgrade wharfie  # here, or lower min-api-version in its daemon.json",
        )
    else:
        agreed = pinned or min(newest, API_VERSION, key=version_key)
        yield ok("API version", f"{agreed}; the daemon speaks {oldest} to {newest}")
    return True


def _clock(date: str) -> Findings:
    try:
        theirs = email.utils.parsedate_to_datetime(date)
    except ValueError:
        return False  # it does not say
    seconds = (datetime.datetime.now(datetime.UTC) - theirs).total_seconds()
    if abs(seconds) > _TOLERATED:
        ahead = "ahead of" if seconds > 0 else "behind"
        yield warn(
            "clock",
            f"this clock is {abs(seconds):.0f} s {ahead} the daemon's",
            "timedatectl set-ntp true  # on the machine whose date -u is wrong",
        )
    else:
        yield ok("clock", "both machines' clocks agree")
    return True
