"""The order of the checks: each layer is looked at when the one below is well."""

from __future__ import annotations

from collections.abc import Iterator

from wharfie.cli.doctor.findings import Finding
from wharfie.cli.doctor.network import Findings
from wharfie.client.endpoint import Endpoint


def examine(endpoint: Endpoint) -> Iterator[Finding]:
    """Yield everything found between us and a daemon, as it is found."""
    if (yield from _is_in_reach(endpoint)):
        from wharfie.cli.doctor.api import check_api

        yield from check_api(endpoint)


def _is_in_reach(endpoint: Endpoint) -> Findings:
    if endpoint.scheme == "unix":
        from wharfie.cli.doctor.unix import check_socket

        return (yield from check_socket(endpoint.path))
    if endpoint.scheme == "ssh":
        from wharfie.cli.doctor.ssh import check_ssh

        return (yield from check_ssh(endpoint))
    return (yield from _check_tcp(endpoint))


def _check_tcp(endpoint: Endpoint) -> Findings:
    from wharfie.cli.doctor.certificates import check_own, check_server
    from wharfie.cli.doctor.network import check_way
    from wharfie.cli.doctor.speech import check_speech

    if not (yield from check_way(endpoint)):
        return False
    if not (yield from check_speech(endpoint)):
        return False
    if endpoint.tls is None:
        return True
    if not (yield from check_own(endpoint.tls, endpoint.host)):
        return False
    healthy = True
    for finding in check_server(endpoint, endpoint.tls):
        healthy = healthy and finding.status != "fail"
        yield finding
    return healthy
