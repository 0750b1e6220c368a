"""What `--secret`, `--ssh` and `--output` name, and how it is lent.

Source: Docker's reference, `docker buildx build`.
"""

from __future__ import annotations

import _socket
import _thread
import os
import sys

from wharfie.cli.building.lender import Refused
from wharfie.cli.errors import CommandError
from wharfie.client.dialing import error_words
from wharfie.formats.fields import split_fields

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from wharfie.cli.building.lender import Line

_MAX_SECRET = 500 * 1024
_READ = 1 << 16
_KINDS = ("local", "tar", "docker", "image", "registry", "cacheonly", "oci")


def pairs_of(text: str, what: str) -> dict[str, str]:
    """Read `a=b,c=d`.

    Raises:
        CommandError: a field without "=".
    """
    found: dict[str, str] = {}
    for field in split_fields(text):
        key, equals, value = field.partition("=")
        if not equals:
            raise CommandError(f"invalid field '{field}' must be a key=value pair in {what}")
        found[key.strip().lower()] = value
    return found


class Secrets:
    """Secrets by ID, read when they are asked for."""

    def __init__(self, texts: list[str]) -> None:
        self._places: dict[str, tuple[str, str]] = {}
        for text in texts:
            self._add(pairs_of(text, f"--secret {text.partition(',')[0]}"))

    def lend(self, line: Line, name: str) -> None:
        """Send a secret; see `Lender`."""
        place = self._places.get(name)
        if place is None:
            raise Refused
        kind, where = place
        if kind == "env":
            line.send(os.fsencode(os.environ.get(where, "")))
            return
        with open(where, "rb") as file:
            data = file.read(_MAX_SECRET + 1)
        if len(data) > _MAX_SECRET:
            raise Refused(f"invalid secret size {len(data)}: more than {_MAX_SECRET} bytes")
        line.send(data)

    def _add(self, fields: dict[str, str]) -> None:
        name = fields.get("id", "")
        if not name:
            raise CommandError("secret ID missing")
        unknown = set(fields) - {"id", "src", "source", "env", "type"}
        if unknown:
            raise CommandError(f"unexpected key '{min(unknown)}' in --secret")
        file = fields.get("src") or fields.get("source") or ""
        kind = fields.get("type", "")
        variable = fields.get("env", "")
        if kind == "env" or variable or (not kind and not file and name in os.environ):
            self._places[name] = ("env", variable or file or name)
            return
        path = file or name
        try:
            size = os.stat(path).st_size
        except OSError as error:
            raise CommandError(f"failed to stat {path}: {error_words(error)}") from None
        if size > _MAX_SECRET:
            raise CommandError(f"secret {name} too big. max size 500KB")
        self._places[name] = ("file", os.path.abspath(path))


class Agents:
    """ssh agents by ID; for keys an agent of our own is started."""

    def __init__(self, texts: list[str]) -> None:
        self._sockets: dict[str, str] = {}
        self._started: list[int] = []
        for text in texts:
            name, _, where = text.partition("=")
            paths = [path for path in where.split(",") if path]
            if not paths:
                found = os.environ.get("SSH_AUTH_SOCK", "")
                if not found:
                    raise CommandError(
                        "invalid empty ssh agent socket: make sure SSH_AUTH_SOCK is set"
                    )
                paths = [found]
            self._sockets[name or "default"] = self._socket_of(paths)

    def lend(self, line: Line, name: str) -> None:
        """Connect a channel to an agent; see `Lender`."""
        path = self._sockets.get(name or "default")
        if path is None:
            raise Refused
        agent = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
        try:
            agent.connect(path)
            line.greet()
            _thread.start_new_thread(_inward, (line, agent))
            while data := agent.recv(_READ):
                line.send(data)
        finally:
            agent.close()

    def close(self) -> None:
        """End the agents that were started."""
        for pid in self._started:
            os.kill(pid, 15)
        self._started.clear()

    def _socket_of(self, paths: list[str]) -> str:
        import stat

        modes = []
        for path in paths:
            try:
                modes.append(os.stat(path).st_mode)
            except OSError as error:
                raise CommandError(f"failed to open {path}: {error_words(error)}") from None
        if len(paths) == 1 and stat.S_ISSOCK(modes[0]):
            return paths[0]
        if any(stat.S_ISSOCK(mode) for mode in modes):
            raise CommandError("invalid combination of keys and sockets")
        return self._start(paths)

    def _start(self, keys: list[str]) -> str:
        """An agent with keys."""
        import re
        import subprocess

        try:
            said = subprocess.run(
                ["ssh-agent", "-s"], capture_output=True, check=True, text=True
            ).stdout
            found = dict(re.findall(r"(SSH_AUTH_SOCK|SSH_AGENT_PID)=([^;]+);", said))
            self._started.append(int(found["SSH_AGENT_PID"]))
            environment = {**os.environ, "SSH_AUTH_SOCK": found["SSH_AUTH_SOCK"]}
            subprocess.run(["ssh-add", "-q", *keys], env=environment, check=True)
        except (OSError, subprocess.CalledProcessError, KeyError) as error:
            raise CommandError(f"cannot lend ssh keys by an agent: {error}") from None
        return str(found["SSH_AUTH_SOCK"])


def _inward(line: Line, agent: _socket.socket) -> None:
    try:
        while (data := line.receive()) is not None:
            agent.sendall(data)
        agent.shutdown(_socket.SHUT_WR)
    except OSError:
        return  # the agent is gone: the other direction tells


class Output:
    """One `--output`."""

    def __init__(self, text: str) -> None:
        if "=" not in text:
            fields = {"type": "tar" if text == "-" else "local", "dest": text}
        else:
            fields = pairs_of(text, "--output")
        self.kind = fields.pop("type", "")
        self.dest = fields.pop("dest", "")
        self.fields = fields
        if self.kind not in _KINDS:
            raise CommandError(
                f"type is required for output: {text}"
                if not self.kind
                else f"unsupported output type {self.kind}"
            )
        if self.kind == "oci" or (self.kind == "docker" and self.dest):
            raise CommandError(
                f"output of type {self.kind} into a file is not supported: build, then `save`"
            )
        if self.kind == "local" and not self.dest:
            raise CommandError("dest is required for local output")
        if self.kind == "tar" and self.dest in ("", "-") and os.isatty(1):
            raise CommandError(
                "dest file is required for tar exporter. refusing to write to console"
            )

    @property
    def is_streamed(self) -> bool:
        """Whether the daemon sends it to us."""
        return self.kind in ("local", "tar")


class Outputs:
    """Takes what the daemon sends of a result."""

    def __init__(self, outputs: list[Output]) -> None:
        self._streamed = [one for one in outputs if one.is_streamed]

    def lend(self, line: Line, name: str) -> None:
        """Receive one output; see `Lender`."""
        output = self._streamed[int(name)]
        if output.kind == "tar":
            self._write(line, output.dest)
            return
        from wharfie.cli.archives import Extractor

        os.makedirs(output.dest, exist_ok=True)
        notes: list[str] = []
        extractor = Extractor(output.dest, "", keep_owner=False, warn=notes.append)
        try:
            extractor.extract(_received(line))
        except CommandError as error:
            raise Refused(str(error)) from None

    def _write(self, line: Line, dest: str) -> None:
        if dest in ("", "-"):
            for piece in _received(line):
                sys.stdout.buffer.write(piece)
            sys.stdout.buffer.flush()
            return
        with open(dest, "wb") as file:
            for piece in _received(line):
                file.write(piece)


def _received(line: Line) -> Iterator[bytes]:
    while (data := line.receive()) is not None:
        yield data
