"""What is spoken at an open port: plain HTTP, TLS, or something else."""

from __future__ import annotations

import socket
import ssl
from enum import StrEnum

from wharfie.cli.doctor.findings import fail, ok
from wharfie.cli.doctor.network import SECONDS, Findings
from wharfie.client.endpoint import Endpoint


class Speech(StrEnum):
    """What a server turned out to speak."""

    PLAIN = "plain HTTP"
    TLS = "TLS"
    OTHER = "something that is neither HTTP nor TLS"


def check_speech(endpoint: Endpoint) -> Findings:
    """Yield whether client and server mean the same; returns whether they do."""
    spoken = listen_to(endpoint)
    wanted = Speech.PLAIN if endpoint.tls is None else Speech.TLS
    where = f"{endpoint.host} port {endpoint.port}"
    if spoken is wanted:
        yield ok("encryption", f"{where} speaks {spoken}, and so do we")
        return True
    if spoken is Speech.TLS:
        yield fail(
            "encryption",
            f"{where} speaks TLS, and we speak plain HTTP",
            f"export DOCKER_TLS_VERIFY=1 DOCKER_CERT_PATH=~/.docker  # or: docker --tlsverify -H"
            f" {endpoint.shown} …",
        )
    elif spoken is Speech.PLAIN:
        yield fail(
            "encryption",
            f"{where} speaks plain HTTP, and we speak TLS",
            f"unset DOCKER_TLS DOCKER_TLS_VERIFY  # or better, on {endpoint.host}: wharfie remote"
            f" enable --host {endpoint.host}",
        )
    else:
        yield fail(
            "encryption",
            f"{where} speaks {spoken}: this is no daemon",
            f"on {endpoint.host}: ss -tlnp sport = :{endpoint.port}",
        )
    return False


def listen_to(endpoint: Endpoint) -> Speech:
    """Find out what is spoken."""
    said = _ask_plainly(endpoint)
    if said.startswith(b"\x15") or (said.startswith(b"HTTP/1.") and b"HTTPS" in said):
        return Speech.TLS
    if said.startswith(b"HTTP/1."):
        return Speech.PLAIN
    return Speech.TLS if _shakes_hands(endpoint) else Speech.OTHER


def _ask_plainly(endpoint: Endpoint) -> bytes:
    request = f"GET /_ping HTTP/1.1\r\nHost: {endpoint.host_header}\r\nConnection: close\r\n\r\n"
    said = b""
    try:
        with socket.create_connection((endpoint.host, endpoint.port), SECONDS) as plain:
            plain.sendall(request.encode("latin-1", "replace"))
            while len(said) < 4096 and (piece := plain.recv(4096)):
                said += piece
    except OSError:
        pass  # what was said before it hung up counts
    return said


def _shakes_hands(endpoint: Endpoint) -> bool:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with (
            socket.create_connection((endpoint.host, endpoint.port), SECONDS) as plain,
            context.wrap_socket(plain, server_hostname=endpoint.host),
        ):
            return True
    except ssl.SSLError as error:
        # An alert is TLS too, and so is a version that is too old for us.
        return "ALERT" in (error.reason or "") or error.reason == "UNSUPPORTED_PROTOCOL"
    except OSError:
        return False
