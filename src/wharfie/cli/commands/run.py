"""`run` and `create`.

The order of calls is part of the contract: create (pull and create again when the image is
missing), then attach, wait, start, so that no output and no exit is missed.
"""

from __future__ import annotations

import os

from wharfie.cli import terminal
from wharfie.cli.command import Command
from wharfie.cli.context import Context, is_terminal
from wharfie.cli.creation.body import CHECKS, Wish
from wharfie.cli.creation.flagtable import CREATE as CREATE_FLAGS
from wharfie.cli.creation.flagtable import RUN as RUN_FLAGS
from wharfie.cli.detach import DEFAULT, parse_keys
from wharfie.cli.errors import CommandError
from wharfie.cli.references import Reference, parse_reference
from wharfie.cli.relay import Relay
from wharfie.cli.waiting import exit_status
from wharfie.client.errors import ClientError, NotFound
from wharfie.formats.pflag import Values

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from wharfie.client.daemon import Hijacked, Pending

_PULL_POLICIES = ("always", "missing", "never", "")
_WINDOWS = ("cpu-count", "cpu-percent", "io-maxbandwidth", "io-maxiops")
_CANNOT_RUN, _NOT_FOUND, _CLIENT_FAILED = 126, 127, 125


def detach_keys(context: Context, flags: Values, *, tty: bool) -> tuple[str, bytes]:
    """Return the detach keys as configured (empty: nothing) and as bytes.

    Without a terminal there are no keys, and nothing to be wrong with them.

    Raises:
        CommandError: they are malformed.
    """
    text = flags.text("detach-keys") or context.config.text("detachKeys")
    try:
        return text, parse_keys(text) if text and tty else DEFAULT
    except ValueError as error:
        raise CommandError(f"invalid detach keys ({text}): {error}") from None


def check_terminal(*, stdin: bool, tty: bool) -> None:
    """Refuse a terminal session whose input is no terminal."""
    if stdin and tty and not is_terminal(0):
        raise CommandError("the input device is not a TTY")


def proxy_settings(context: Context) -> dict[str, str]:
    """Return the proxy variables the configuration injects into containers."""
    proxies = context.config.mapping("proxies")
    found = proxies.get(context.client.endpoint.shown) or proxies.get("default")
    if not isinstance(found, dict):
        return {}
    names = {
        "httpProxy": "HTTP_PROXY",
        "httpsProxy": "HTTPS_PROXY",
        "noProxy": "NO_PROXY",
        "ftpProxy": "FTP_PROXY",
        "allProxy": "ALL_PROXY",
    }
    settings: dict[str, str] = {}
    for key, name in names.items():
        if found.get(key):
            settings[name] = settings[name.lower()] = str(found[key])
    return settings


def start_code(message: str) -> int:
    """Return the exit code for a container that could not be started."""
    lowered = message.lower()
    missing = (
        "executable file not found",
        "no such file or directory",
        "system cannot find the file specified",
    )
    if any(text in lowered for text in missing):
        return _NOT_FOUND
    if "permission denied" in lowered or "is a directory" in lowered:
        return _CANNOT_RUN
    return _CLIENT_FAILED


def _with_help(context: Context, error: Exception) -> CommandError:
    """Put an error as `run` shows it."""
    message = str(error)
    code = error.code if isinstance(error, CommandError) else start_code(message)
    if code == 1:
        return CommandError(message)
    verb = context.path
    return CommandError(
        f"{context.prog}: {message}\n\nRun '{verb} --help' for more information", code=code
    )


class _Creation:
    """One container to create."""

    def __init__(self, context: Context, flags: Values, *, detach: bool, console: bool) -> None:
        policy = flags.text("pull")
        if policy not in _PULL_POLICIES:
            raise CommandError(
                f'invalid pull option: \'{policy}\': must be one of "always", "missing" or "never"',
                code=_CLIENT_FAILED,
            )
        self._context = context
        self._flags = flags
        self._check_platform()
        size = terminal.size() if console else (0, 0)
        self.wish = Wish(flags, detach=detach, console=size, proxies=proxy_settings(context))
        self._reference = self._parse()

    def _check_platform(self) -> None:
        """Refuse the flags that only mean something to a daemon on Windows."""
        given = [name for name in _WINDOWS if self._flags.has(name)]
        if not given or not self._context.client.version:
            return
        system = self._context.client.ping.get("ostype", "")
        if system not in {"", "windows"}:
            raise CommandError(
                "\n".join(
                    f'"--{name}" is only supported on a Docker daemon running on windows,'
                    f" but the Docker daemon is running on {system}"
                    for name in given
                )
            )

    def _parse(self) -> Reference | None:
        """Return the image as a name; None when it can only be an ID."""
        try:
            return parse_reference(self.wish.image).with_default_tag()
        except ValueError as error:
            if "64-byte" in str(error):
                return None
            raise CommandError(str(error), code=_CLIENT_FAILED) from None

    def run(self) -> str:
        """Create it, pulling first if need be; return its ID."""
        context, flags = self._context, self._flags
        cidfile = flags.text("cidfile")
        if cidfile and os.path.exists(cidfile):
            raise CommandError(
                "container ID file found, make sure the other container isn't running or delete"
                f" {cidfile}",
                code=_CLIENT_FAILED,
            )
        if flags.text("pull") == "always":
            self._pull()
        try:
            document = self._post()
        except NotFound as error:
            missing = "no such image" in error.message.lower()
            if not missing or self._reference is None or flags.text("pull") not in {"missing", ""}:
                raise
            if not flags.on("quiet"):
                context.note(f"Unable to find image '{self._reference.familiar}' locally")
            self._pull()
            document = self._post()
        for warning in document.get("Warnings") or ():
            context.note(f"WARNING: {warning}")
        found = str(document.get("Id") or "")
        if cidfile:
            self._write_id(cidfile, found)
        return found

    def _write_id(self, path: str, text: str) -> None:
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
            os.write(handle, text.encode())
            os.close(handle)
        except OSError as error:
            raise CommandError(
                f"failed to write the container ID to the file: {error}", code=_CLIENT_FAILED
            ) from None

    def _pull(self) -> None:
        from wharfie.cli.pulling import pull

        if self._reference is None:
            raise CommandError("invalid reference format", code=_CLIENT_FAILED)
        pull(
            self._context,
            self._reference,
            platform=self._platform(),
            to_stderr=True,
            quiet=self._flags.on("quiet"),
        )

    def _platform(self) -> str:
        return self._flags.text("platform") or os.environ.get("DOCKER_DEFAULT_PLATFORM", "")

    def _post(self) -> Mapping[str, list[object]]:
        query = {}
        if self._flags.text("name"):
            query["name"] = self._flags.text("name")
        if self._platform():
            query["platform"] = self._platform()
        document = self._context.client.json(
            "POST", "/containers/create", query=query, body=self.wish.body
        )
        return document if isinstance(document, dict) else {}


def run_create(context: Context, flags: Values) -> int:
    """Create a container and print its ID."""
    try:
        found = _Creation(context, flags, detach=False, console=False).run()
    except CommandError as error:
        if error.code == _CLIENT_FAILED:
            raise _with_help(context, error) from None
        raise
    context.say(found)
    return 0


def run_run(context: Context, flags: Values) -> int:
    """Create a container, start it, and stay with it unless detached."""
    detach = flags.on("detach")
    try:
        keys = detach_keys(context, flags, tty=flags.on("tty"))
        creation = _Creation(context, flags, detach=detach, console=True)
        streams = creation.wish.streams
        check_terminal(stdin=streams.stdin, tty=creation.wish.tty)
        container = creation.run()
    except (CommandError, ClientError) as error:
        raise _with_help(context, error) from None
    session = _Session(context, flags, container, creation.wish, keys=keys)
    try:
        return session.detached() if detach else session.attached()
    except ClientError as error:
        raise _with_help(context, error) from None


class _Session:
    """A created container on its way through start to its end."""

    def __init__(
        self,
        context: Context,
        flags: Values,
        container: str,
        wish: Wish,
        *,
        keys: tuple[str, bytes],
    ) -> None:
        self._context = context
        self._client = context.client
        self._flags = flags
        self._id = container
        self._wish = wish
        self._keys_text, self._keys = keys

    def detached(self) -> int:
        """Start and leave."""
        self._start(None, None)
        self._context.say(self._id)
        return 0

    def attached(self) -> int:
        """Start, copy streams, return the container's exit code."""
        streams = self._wish.streams
        if self._flags.on("sig-proxy") and not self._wish.tty:
            from wharfie.cli.signals import proxy

            proxy(self._client, self._id)
        hijacked = None
        if streams.stdin or streams.stdout or streams.stderr:
            hijacked = self._attach()
        condition = "removed" if self._flags.on("rm") else "next-exit"
        path = f"/containers/{self._id}/wait"
        pending = self._client.begin("POST", path, query={"condition": condition})
        pending.accepted()
        self._start(hijacked, pending)
        if self._wish.tty and is_terminal(1):
            from wharfie.cli.signals import WindowSize

            WindowSize(self._client, f"/containers/{self._id}").follow()
        if hijacked is not None:
            relay = Relay(hijacked, tty=self._wish.tty, stdin=streams.stdin, detach_keys=self._keys)
            relay.run()
            if relay.detached:
                return 0
        return exit_status(self._context, pending)

    def _attach(self) -> Hijacked:
        streams = self._wish.streams
        query = {"stream": "1"}
        for name in ("stdin", "stdout", "stderr"):
            if getattr(streams, name):
                query[name] = "1"
        if self._keys_text:
            query["detachKeys"] = self._keys_text
        return self._client.hijack(f"/containers/{self._id}/attach", query=query)

    def _start(self, hijacked: Hijacked | None, pending: Pending | None) -> None:
        try:
            self._client.done("POST", f"/containers/{self._id}/start")
        except ClientError:
            if hijacked is not None:
                hijacked.stream.close()
            if pending is not None and self._flags.on("rm"):
                exit_status(self._context, pending)
            raise


_FORM = "IMAGE [COMMAND] [ARG...]"
RUN = Command(
    run_run,
    "Create and run a new container from an image",
    _FORM,
    flags=RUN_FLAGS,
    least=1,
    most=None,
    aliases=("container run", "run"),
    checks=CHECKS,
    interspersed=False,
)
CREATE = Command(
    run_create,
    "Create a new container",
    _FORM,
    flags=CREATE_FLAGS,
    least=1,
    most=None,
    aliases=("container create", "create"),
    checks=CHECKS,
    interspersed=False,
)
