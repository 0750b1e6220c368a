"""`doctor`: find what is wrong between us and a daemon, and name the command that mends it."""

from __future__ import annotations

from wharfie.cli.command import Command
from wharfie.cli.connection import context_name, resolve_endpoint
from wharfie.cli.context import Context
from wharfie.cli.errors import CommandError
from wharfie.formats.pflag import Values

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from wharfie.cli.doctor.findings import Finding
    from wharfie.client.endpoint import Endpoint

_WIDTH = 18


def run_doctor(context: Context, values: Values) -> int:
    """Print findings as they come; exit code 1 if something is broken."""
    if values.text("format") not in {"", "json"}:
        raise CommandError(f"unknown format {values.text('format')}: only json")
    findings = (worded(context.prog, finding) for finding in _all(context, values))
    if values.text("format") == "json":
        return _as_json(context, findings, strict=values.on("strict"))
    bad = 0
    for finding in findings:
        bad += _is_bad(finding, strict=values.on("strict"))
        mark = "ok  " if finding.status == "ok" else finding.status.upper()
        detail = finding.detail.replace("\n", "\n" + " " * (_WIDTH + 6))
        context.say(f"{mark:<5} {finding.check:<{_WIDTH}}{detail}")
        if finding.remedy:
            context.say(f"{'':<5} {'':<{_WIDTH}}  mend: {finding.remedy}")
        context.flush()
    return int(bad > 0)


def worded(prog: str, finding: Finding) -> Finding:
    """Return a finding whose remedy goes by the names of this installation."""
    from dataclasses import replace

    from wharfie.cli.doctor.findings import in_words_of

    return replace(finding, remedy=in_words_of(prog, finding.remedy))


def _as_json(context: Context, findings: Iterable[Finding], *, strict: bool) -> int:
    from wharfie.formats.gojson import dumps

    found = list(findings)
    documents = [
        {
            "check": one.check,
            "status": str(one.status),
            "detail": one.detail,
            "remedy": one.remedy,
        }
        for one in found
    ]
    context.say(dumps(documents, indent="    "))
    return int(any(_is_bad(one, strict=strict) for one in found))


def _is_bad(finding: Finding, *, strict: bool) -> bool:
    return finding.status == "fail" or (strict and finding.status == "warn")


def _all(context: Context, values: Values) -> Iterator[Finding]:
    from wharfie.cli.doctor.examination import examine
    from wharfie.cli.doctor.findings import fail, ok

    try:
        endpoint, source = _endpoint(context, values)
    except CommandError as error:
        yield fail("address", str(error), "wharfie context ls; env | grep DOCKER_")
        return
    secure = " with TLS" if endpoint.tls is not None else ""
    yield ok("address", f"{endpoint.shown}{secure}, from {source}")
    yield from examine(endpoint)
    if endpoint.scheme == "unix" or values.on("server"):
        from wharfie.cli.doctor.configuration import check_configuration
        from wharfie.cli.doctor.exposure import check_exposure
        from wharfie.cli.doctor.host import check_host

        yield from check_exposure()
        yield from check_configuration()
        yield from check_host()


def _endpoint(context: Context, values: Values) -> tuple[Endpoint, str]:
    """Return whom to look at, and how that was chosen."""
    import os

    from wharfie.cli.connection import endpoint_of

    if values.args:
        return endpoint_of(context.globals, context.config, values.args[0]), "the command line"
    endpoint = resolve_endpoint(context.globals, context.config)
    name = context_name(context.globals, context.config)
    if name != "default":
        return endpoint, f"context {name}"
    if context.globals.has("host"):
        return endpoint, "-H"
    return endpoint, "DOCKER_HOST" if os.environ.get("DOCKER_HOST") else "the default"


DOCTOR = Command(
    run_doctor,
    "Find what is wrong between here and a daemon, and what mends it",
    "[HOST|CONTEXT]",
    flags='    --format string  Format of the output ("json")\n'
    "    --server  Look at the daemon of this machine too, as is done for a local one\n"
    "    --strict  Exit code 1 for warnings too\n",
    most=1,
    long="Find what is wrong between here and a daemon: address, name, route, port, firewall,\n"
    "encryption, certificates, clocks, API version, ssh. For a daemon of this machine also what\n"
    "it exposes, its configuration and certificates, kernel, cgroups, group. Each finding comes\n"
    "with the command that mends it. Nothing is changed. Exit code 1 if something is broken.",
)
