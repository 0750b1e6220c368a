"""`wharfie system install` and `uninstall`: the engine as a service of this machine."""

from __future__ import annotations

import os
import sys

from wharfie.cli.command import Command
from wharfie.cli.errors import CommandError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from wharfie.cli.context import Context
    from wharfie.cli.installation.plan import Plan
    from wharfie.formats.pflag import Values

INSTALL_FLAGS = """
    --docker-compat  Take the names docker and dockerd, and Docker's locations, too
    --no-start  Do not start the service
    --remote list  Let other machines use it over mutual TLS, by this name or address
    --root string  Install into this directory instead of the running system
    --socket string  Path of the unix socket (default "/run/docker.sock")
"""
UNINSTALL_FLAGS = """
    --root string  Uninstall from this directory instead of the running system
"""


def run_install(context: Context, values: Values) -> int:
    """Write units, make the group, link the programs, start the service."""
    from wharfie.cli.installation.host import InstallationError, Installer
    from wharfie.cli.installation.plan import Plan

    root = _check_root(values)
    if root and values.items("remote"):
        raise CommandError("--remote is for the running system: it goes without --root")
    plan = Plan(
        programs=_programs(),
        docker_compat=values.on("docker-compat"),
        socket=values.text("socket"),
    )
    try:
        installer = Installer(root, _run, context.say)
        start, remote = not values.on("no-start"), values.items("remote")
        installer.install(plan, start=start and not remote)
        if remote:
            _open(context, plan, remote)
            if start:
                installer.start(plan)
    except (InstallationError, OSError) as error:
        raise CommandError(f"cannot install: {error}") from None
    if not root and not os.path.isdir("/run/systemd/system"):
        context.say(
            f"systemd does not run here: scripts for OpenRC and sysvinit are in packaging/; "
            f"by hand, start  {plan.name if plan.name == 'docker' else 'wharfie'}d"
        )
    user = os.environ.get("SUDO_USER", "")
    if user and user != "root":
        context.say(f"To use it without sudo:  usermod -aG {plan.group} {user}  and log in again")
    return 0


def _open(context: Context, plan: Plan, hosts: list[str]) -> None:
    """Have the service listen with mutual TLS, and make the first client's bundle."""
    from datetime import UTC, datetime

    from wharfie.cli.commands.remote.remote import advise
    from wharfie.cli.remote.daemonfile import find_daemon
    from wharfie.cli.remote.enabling import PORT, enable, place_of
    from wharfie.pki.directory import Terms

    place = place_of(plan.name, config_file="", directory="", validator=find_daemon(plan.name))
    terms = Terms(now=datetime.now(UTC))
    _, bundle = enable(place, hosts, port=PORT, terms=terms, client="admin")
    context.say(f"made {bundle}")
    advise(context, bundle, hosts[0])


def run_uninstall(context: Context, values: Values) -> int:
    """Stop the service and take away what install made; data and configuration stay."""
    from wharfie.cli.installation.host import InstallationError, Installer

    try:
        Installer(_check_root(values), _run, context.say).uninstall()
    except (InstallationError, OSError) as error:
        raise CommandError(f"cannot uninstall: {error}") from None
    return 0


def _check_root(values: Values) -> str:
    root = values.text("root")
    if not root and os.geteuid() != 0:
        raise CommandError("this changes the system: run it as root (sudo)")
    return root


def _programs() -> str:
    """The directory this very program is in, links followed."""
    return os.path.dirname(os.path.realpath(sys.argv[0]))


def _run(words: Sequence[str]) -> str:
    import subprocess

    from wharfie.cli.installation.host import InstallationError

    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr or done.stdout).strip() or f"exit status {done.returncode}"
        raise InstallationError(f"{' '.join(words)}: {said}")
    return done.stdout


INSTALL = Command(
    run_install,
    "Install the engine as a service of this machine",
    flags=INSTALL_FLAGS,
)
UNINSTALL = Command(
    run_uninstall,
    "Revert system install; data and configuration stay",
    flags=UNINSTALL_FLAGS,
)
