"""Making a plan true on this machine, and undoing it by the record of what was made.

Nothing that is not ours is overwritten or removed: not another engine's program, not a unit that
was edited since. The record is written before each step, so that an installation cut short can be
undone, too.
"""

from __future__ import annotations

import os

from wharfie.cli.installation.plan import RECORD, Plan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Run = Callable[[Sequence[str]], str]


_SUPERVISORS = ("/run/docker/supervisor.sock", "/run/wharfie/supervisor.sock")


class InstallationError(Exception):
    """It cannot be done; the text says what is in the way and what to do."""


class Record:
    """What was made: kept as JSON at `RECORD`."""

    def __init__(self, root: str) -> None:
        import json

        self._path = root + RECORD
        self.made: dict[str, str] = {}
        self.group = ""
        self.name = ""
        try:
            with open(self._path, encoding="utf-8") as file:
                found = json.load(file)
        except FileNotFoundError:
            return
        except ValueError as error:
            raise InstallationError(f"{self._path} cannot be read: {error}") from None
        self.made = dict(found["made"])
        self.group = str(found["group"])
        self.name = str(found["name"])

    def save(self) -> None:
        """Write it, whole or not at all."""
        import json

        os.makedirs(os.path.dirname(self._path), exist_ok=True)
        content = {"name": self.name, "group": self.group, "made": self.made}
        _write(self._path, json.dumps(content, indent=2) + "\n")

    def remove(self) -> None:
        """Forget the installation."""
        if os.path.exists(self._path):
            os.unlink(self._path)


class Installer:
    """Installs and uninstalls below `root`, "" for this very machine.

    Args:
        root: directory that stands for "/"; then no program is run.
        run: runs a program; returns what it printed, raises InstallationError when it fails.
        say: tells the user of a step.
    """

    def __init__(self, root: str, run: Run, say: Callable[[str], None]) -> None:
        self._root = root.rstrip("/")
        self._run = run
        self._say = say

    def install(self, plan: Plan, *, start: bool) -> None:
        """Make the plan true; a second time repairs and updates.

        Raises:
            InstallationError: something of somebody else is in the way; nothing was changed.
        """
        record = Record(self._root)
        if record.name and record.name != plan.name:
            raise InstallationError(
                f"already installed as {record.name}: first run  wharfie system uninstall"
            )
        self._check(plan, record)
        record.name = plan.name
        for path in plan.directories:
            os.makedirs(self._root + path, exist_ok=True)
        for path, target in plan.links.items():
            self._note(record, path, f"link {target}")
            self._link(path, target)
        for path, content in plan.files.items():
            self._note(record, path, f"file {_digest(content)}")
            os.makedirs(os.path.dirname(self._root + path), exist_ok=True)
            _write(self._root + path, content)
            self._say(f"wrote {path}")
        self._make_group(plan.group, record)
        if self._has_systemd():
            self._run(["systemctl", "daemon-reload"])
            self._run(["systemctl", "enable", "--quiet", *_units(plan)])
            if start:
                self.start(plan)

    def start(self, plan: Plan) -> None:
        """Start what was installed, or start it again.

        Raises:
            InstallationError: it does not start.
        """
        if self._has_systemd():
            try:
                # The socket must be the service's from the start.
                self._run(["systemctl", "restart", *_units(plan)])
            except InstallationError:
                raise InstallationError(
                    f"all is in place, but {plan.name}.service does not start:\n"
                    f"{self._last_words(plan)}"
                    f"Mend that, then:  systemctl restart {plan.name}"
                ) from None
            self._say(f"started {plan.name}.service")

    def uninstall(self) -> None:
        """Revert what `install` did; data and configuration stay.

        Raises:
            InstallationError: there is no installation, or a unit cannot be stopped.
        """
        record = Record(self._root)
        if not record.name:
            raise InstallationError("nothing to uninstall: wharfie system install was not run here")
        if self._has_systemd():
            units = [f"{record.name}.service", f"{record.name}.socket"]
            present = [unit for unit in units if self._is_there(unit, record)]
            if present:
                self._run(["systemctl", "disable", "--quiet", "--now", *present])
        for path, what in record.made.items():
            self._take_away(path, what)
        if not self._root and any(os.path.exists(path) for path in _SUPERVISORS):
            self._say("containers that run go on: their supervisor needs no service")
        if self._has_systemd():
            self._run(["systemctl", "daemon-reload"])
        if record.group and not self._root:
            self._run(["groupdel", record.group])
            self._say(f"removed group {record.group}")
        record.remove()
        for path in ("/etc/wharfie", "/etc/docker"):
            if os.path.isdir(self._root + path) and not os.listdir(self._root + path):
                os.rmdir(self._root + path)

    def _check(self, plan: Plan, record: Record) -> None:
        """Refuse to touch what is not ours, before anything is touched."""
        for path, target in plan.links.items():
            here = self._root + path
            if not os.path.lexists(here) or record.made.get(path, "").startswith("link "):
                continue
            if os.path.islink(here) and os.readlink(here) == target:
                continue
            raise InstallationError(
                f"{path} belongs to something else: remove that first (for Debian's Docker:  "
                "apt-get remove docker.io docker-ce docker-ce-cli docker-cli)"
            )
        for path, content in plan.files.items():
            here = self._root + path
            if not os.path.lexists(here) or path in record.made:
                continue
            if _read(here) != content:
                raise InstallationError(
                    f"{path} is another engine's unit: remove that engine first, or move the file "
                    "away"
                )
        for path, target in plan.links.items():
            if not os.path.exists(target):
                raise InstallationError(f"{target}, which {path} shall point to, is not there")

    def _last_words(self, plan: Plan) -> str:
        """What the service complained of."""
        words = ["journalctl", "-u", f"{plan.name}.service", "-p", "err", "-n", "8", "-o", "cat"]
        try:
            said = self._run(words)
        except InstallationError as error:
            return f"  ({error})\n"
        return "".join(f"  {line}\n" for line in said.splitlines())

    def _note(self, record: Record, path: str, what: str) -> None:
        record.made[path] = what
        record.save()

    def _link(self, path: str, target: str) -> None:
        here = self._root + path
        os.makedirs(os.path.dirname(here), exist_ok=True)
        temporary = f"{here}.new"
        if os.path.lexists(temporary):
            os.unlink(temporary)
        os.symlink(target, temporary)
        os.rename(temporary, here)
        self._say(f"linked {path} to {target}")

    def _make_group(self, group: str, record: Record) -> None:
        if self._root:
            return
        import grp

        try:
            grp.getgrnam(group)
        except KeyError:
            record.group = group
            record.save()
            self._run(["groupadd", "--system", group])
            self._say(f"made group {group}")

    def _take_away(self, path: str, what: str) -> None:
        here = self._root + path
        kind, _, detail = what.partition(" ")
        if not os.path.lexists(here):
            return
        if kind == "link":
            is_ours = os.path.islink(here) and os.readlink(here) == detail
        else:
            is_ours = not os.path.islink(here) and _digest(_read(here)) == detail
        if is_ours:
            os.unlink(here)
            self._say(f"removed {path}")
        else:
            self._say(f"left {path} alone: it was changed since")

    def _is_there(self, unit: str, record: Record) -> bool:
        return any(path.endswith(f"/{unit}") for path in record.made)

    def _has_systemd(self) -> bool:
        return not self._root and os.path.isdir("/run/systemd/system")


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def _write(path: str, content: str) -> None:
    temporary = f"{path}.new"
    with open(temporary, "w", encoding="utf-8") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.chmod(temporary, 0o644)
    os.rename(temporary, path)


def _units(plan: Plan) -> list[str]:
    return [f"{plan.name}.socket", f"{plan.name}.service"]


def _digest(content: str) -> str:
    import hashlib

    return hashlib.sha256(content.encode("utf-8", "replace")).hexdigest()
