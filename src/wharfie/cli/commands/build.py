"""`build`: an image of a Dockerfile.

At a daemon that takes build sessions the context is lent and progress is drawn as BuildKit's
clients do; at any other one, or with DOCKER_BUILDKIT=0, this is Docker's classic build.
"""

from __future__ import annotations

import os
import sys

from wharfie.cli.building.flags import FLAGS
from wharfie.cli.building.query import build_query
from wharfie.cli.building.sources import find_source
from wharfie.cli.command import Command
from wharfie.cli.context import Context, is_terminal
from wharfie.cli.creation import checks
from wharfie.cli.errors import CommandError
from wharfie.formats import session
from wharfie.formats.pflag import Values

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from wharfie.cli.building.job import Progress, Result
    from wharfie.cli.building.query import Query
    from wharfie.cli.building.sources import Source

_FORMS = ("auto", "plain", "tty", "rawjson", "quiet")
_SESSION_ONLY = (
    "secret",
    "ssh",
    "build-context",
    "output",
    "check",
    "metadata-file",
    "allow",
    "no-cache-filter",
)
_UNSUPPORTED = {
    "cache-to": "exporting a build cache is not supported; try --build-arg BUILDKIT_INLINE_CACHE=1",
    "annotation": "annotations are not supported",
}
_CALLS = {
    "build": "",
    "check": "check",
    "lint": "check",
    "outline": "outline",
    "targets": "targets",
}


def run_build(context: Context, flags: Values) -> int:
    """Build an image."""
    for name, words in _UNSUPPORTED.items():
        if flags.has(name):
            raise CommandError(f"--{name}: {words}")
    source = find_source(flags.args[0], flags.text("file"))
    query = build_query(flags, proxies_of(context))
    platform = flags.text("platform") or os.environ.get("DOCKER_DEFAULT_PLATFORM", "")
    if platform:
        query["platform"] = platform.lower()
    headers = {"X-Registry-Config": _registry_config(context)}
    _forget(flags.text("iidfile"))
    _ = context.client.version  # negotiates: the daemon says what it takes
    takes_sessions = context.client.ping.get(session.HEADER.lower()) == session.VERSION
    if takes_sessions and os.environ.get("DOCKER_BUILDKIT", "1") not in ("0", "false"):
        return _by_session(context, flags, source, query, headers)
    wanted = [name for name in _SESSION_ONLY if flags.has(name)]
    if wanted:
        raise CommandError(f"--{wanted[0]} needs a daemon that takes build sessions")
    from wharfie.cli.building.classic import build_classically

    image = build_classically(context, flags, source, query, headers)
    return _written(flags, image)


def _by_session(
    context: Context, flags: Values, source: Source, query: Query, headers: Mapping[str, str]
) -> int:
    from wharfie.cli.building.job import SessionBuild
    from wharfie.cli.building.lent import Agents, Output, Secrets
    from wharfie.cli.building.report import show_failure, show_warnings, write_metadata

    call = "check" if flags.on("check") else flags.text("call")
    if call not in _CALLS:
        raise CommandError(f'invalid value "{call}" for --call', code=125)
    if _CALLS[call]:
        query["check"] = _CALLS[call]
    progress = _progress(context, flags, is_quiet=bool(_CALLS[call]))
    job = SessionBuild(context, source, query, progress)
    job.secrets = Secrets(flags.items("secret"))
    job.agents = Agents(flags.items("ssh"))
    job.outputs = [Output(text) for text in flags.items("output")]
    for text in flags.items("build-context"):
        job.add_context(text)
    try:
        result = job.run(headers)
    finally:
        job.agents.close()
    if result.problem is not None:
        show_failure(result.problem, progress.vertices, source.dockerfile, source.data)
        return 1
    if _CALLS[call]:
        return _reported(context, result)
    if not _is_quiet(flags):
        show_warnings(result, context.prog)
    if flags.text("metadata-file"):
        write_metadata(flags.text("metadata-file"), result)
    if _is_quiet(flags) and result.image:
        context.say(result.image)
    code = _written(flags, result.image)
    if flags.on("push") or any(one.kind == "registry" for one in job.outputs):
        _push(context, result)
    return code


def _reported(context: Context, result: Result) -> int:
    context.write(result.report.get("result.txt", ""))
    status = result.report.get("result.statuscode", "0")
    return int(status) if status.isdigit() else 0


def _progress(context: Context, flags: Values, *, is_quiet: bool) -> Progress:
    form = flags.text("progress")
    if not flags.has("progress"):
        form = os.environ.get("BUILDKIT_PROGRESS") or form
    if form not in _FORMS:
        raise CommandError(f"invalid progress mode: {form}")
    if _is_quiet(flags) or is_quiet:
        form = "quiet"
    if form == "auto":
        form = "tty" if is_terminal(2) and os.environ.get("TERM") != "dumb" else "plain"
    if form == "tty":
        from wharfie.cli.output.building.tty import TerminalProgress

        return TerminalProgress(f"{context.prog}:{_place(context)}")
    if form == "plain":
        from wharfie.cli.output.building.plain import PlainProgress

        progress = PlainProgress()
        progress.note(f'#0 building with "{_place(context)}" instance using docker driver')
        return progress
    from wharfie.cli.output.building.quiet import QuietProgress, RawProgress

    return RawProgress() if form == "rawjson" else QuietProgress()


def _place(context: Context) -> str:
    return context.globals.text("context") or os.environ.get("DOCKER_CONTEXT") or "default"


def _is_quiet(flags: Values) -> bool:
    return flags.on("quiet") or flags.text("progress") == "quiet"


def _push(context: Context, result: Result) -> None:
    from wharfie.cli.commands.pull import push
    from wharfie.cli.references import parse_reference

    if not result.names:
        raise CommandError("tag is needed when pushing to registry")
    for name in result.names:
        reference = parse_reference(name).with_default_tag()
        push(context, reference, {"tag": reference.tag}, quiet=False)


def proxies_of(context: Context) -> Mapping[str, object]:
    """The proxies the configuration has for this daemon."""
    known = context.config.mapping("proxies")
    found = known.get(context.client.endpoint.shown) or known.get("default")
    return found if isinstance(found, dict) else {}


def _registry_config(context: Context) -> str:
    """X-Registry-Config: whatever credentials there are, by registry."""
    from wharfie.cli.credentials.store import all_credentials, encode_auth

    return encode_auth(all_credentials(context.config))


def _forget(path: str) -> None:
    if path:
        try:
            os.unlink(path)
        except FileNotFoundError:
            return
        except OSError as error:
            raise CommandError(f"removing image ID file: {error.strerror}") from None


def _written(flags: Values, image: str) -> int:
    path = flags.text("iidfile")
    if path and image:
        with open(path, "w", encoding="ascii") as file:
            file.write(image)
    sys.stdout.flush()
    return 0


BUILD = Command(
    run_build,
    "Build an image from a Dockerfile",
    "PATH | URL | -",
    flags=FLAGS,
    least=1,
    most=1,
    aliases=("image build", "build", "builder build"),
    checks={"ulimit": checks.ulimit, "add-host": checks.extra_host},
)
