"""The way to a TCP address: its name, the route, the port."""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
import time
from collections.abc import Generator

from wharfie.cli.doctor.findings import Finding, fail, ok, warn
from wharfie.client.endpoint import PORT, TLS_PORT, Endpoint

Findings = Generator[Finding, None, bool]

SECONDS = 5.0
# A router or firewall that refuses does so at once; a machine that is not there costs ARP's time.
_AT_ONCE = 1.5


def check_way(endpoint: Endpoint) -> Findings:
    """Yield what is found on the way; returns whether the port can be connected to."""
    addresses = yield from check_name(endpoint)
    for address in addresses:
        source = _source(address, endpoint.port)
        if source:
            yield ok("route", f"{address} is reached from {source}")
            return (yield from check_port(endpoint, address))
    if addresses:
        yield fail(
            "route",
            f"there is no route to {', '.join(addresses)}",
            f"ip route get {addresses[0]}; ip route add default via ROUTER",
        )
    return False


def check_name(endpoint: Endpoint) -> Generator[Finding, None, list[str]]:
    """Yield whether the name is known; returns its addresses."""
    host = endpoint.host
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        pass
    else:
        yield ok("name", f"{host} is an address")
        return [host]
    try:
        found = socket.getaddrinfo(host, endpoint.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        yield fail(
            "name",
            f"{host} cannot be resolved: {error}",
            f"getent hosts {host}; echo 'ADDRESS {host}' >> /etc/hosts",
        )
        return []
    addresses = list(dict.fromkeys(str(one[4][0]) for one in found))
    if _is_loopback(addresses[0]) and not host.startswith("localhost"):
        yield warn(
            "name",
            f"{host} means this very machine here: {', '.join(addresses)}",
            f"grep -n {host} /etc/hosts  # and take the line with {addresses[0]} out",
        )
    else:
        yield ok("name", f"{host} is {', '.join(addresses)}")
    return addresses


def _is_loopback(address: str) -> bool:
    return ipaddress.ip_address(address.partition("%")[0]).is_loopback


def _source(address: str, port: int) -> str:
    """Return the address from which packets to an address are sent; empty without a route."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((address, port))  # sends nothing
            return str(probe.getsockname()[0])
    except OSError:
        return ""


def check_port(endpoint: Endpoint, address: str) -> Findings:
    """Yield whether somebody listens; returns whether that can be connected to."""
    began = time.monotonic()
    problem = connect(address, endpoint.port)
    if problem == 0:
        yield ok("port", f"{address} port {endpoint.port} is open")
        return True
    yield _port_problem(endpoint, address, problem, at_once=time.monotonic() - began < _AT_ONCE)
    return False


def connect(address: str, port: int) -> int:
    """Connect and close again; returns 0 or the error number, ETIMEDOUT after five seconds."""
    try:
        socket.create_connection((address, port), SECONDS).close()
    except TimeoutError:
        return errno.ETIMEDOUT
    except OSError as error:
        return error.errno or errno.EIO
    return 0


def _port_problem(endpoint: Endpoint, address: str, problem: int, *, at_once: bool) -> Finding:
    host, port = endpoint.host, endpoint.port
    allow = (
        f"on {host}: nft insert rule inet filter input tcp dport {port} accept"
        f"  # or: ufw allow {port}/tcp, firewall-cmd --add-port={port}/tcp"
    )
    if problem == errno.ECONNREFUSED:
        other = TLS_PORT if port != TLS_PORT else PORT
        if connect(address, other) == 0:
            tls = " --tlsverify" if other == TLS_PORT else ""
            return fail(
                "port",
                f"nothing listens on port {port}, but somebody does on port {other}",
                f"wharfie{tls} -H tcp://{host}:{other} version",
            )
        return fail(
            "port",
            f"{host} is there, but nothing listens on its port {port}",
            f"on {host}: wharfie remote enable --host {host}; systemctl restart wharfie",
        )
    if problem == errno.ETIMEDOUT:
        detail = f"no answer within {SECONDS:g} s: {host} is down, or a firewall drops the packets"
        return fail("port", detail, allow)
    if problem in {errno.EHOSTUNREACH, errno.EACCES, errno.EPERM} and at_once:
        return fail("port", f"a firewall refuses port {port} of {host}", allow)
    detail = f"{host} is not there: {os.strerror(problem).lower()}"
    return fail("port", detail, f"ping {address}; ip neigh show {address}")
