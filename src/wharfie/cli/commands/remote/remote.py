"""`remote`: open this machine's daemon to others over mutual TLS, and hand out invitations."""

from __future__ import annotations

import os

from wharfie.cli.command import Command
from wharfie.cli.commands.formatflags import LIST
from wharfie.cli.commands.remote.terms import KEY_FLAGS, read_terms
from wharfie.cli.context import Context
from wharfie.cli.errors import CommandError
from wharfie.formats.pflag import Values

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

    from wharfie.cli.remote.enabling import Place

_PLACE = """
    --config-file string  The daemon's configuration (default: daemon.json in /etc/wharfie, or in /etc/docker when called as docker)
    --dir string  Directory of the daemon's certificates (default: tls beside its configuration)
"""  # noqa: E501
_PORT = "    --port int  Port on which the daemon listens (default 2376)\n"


def _place(context: Context, values: Values) -> Place:
    from wharfie.cli.remote.daemonfile import find_daemon
    from wharfie.cli.remote.enabling import place_of

    return place_of(
        context.prog,
        config_file=values.text("config-file"),
        directory=values.text("dir"),
        validator=find_daemon(context.prog),
    )


def run_enable(context: Context, values: Values) -> int:
    """Make certificates and settings; say what to do next."""
    from wharfie.cli.remote.enabling import enable

    place = _place(context, values)
    names, bundle = enable(
        place,
        values.items("host"),
        port=_port(values),
        terms=read_terms(values),
        client=values.text("client"),
    )
    context.say(str(bundle))
    certified = [*names.dns, *(str(address) for address in names.addresses)]
    context.note(f"Certified for {', '.join(certified)}")
    context.note(f"Changed {place.config_file}: tlsverify, listening on port {_port(values)}")
    advise(context, bundle, (values.items("host") or [*names.dns])[0])
    return _systemctl(context, "restart") if values.on("restart") else 0


def _port(values: Values) -> int:
    port = values.number("port")
    if not 0 < port < 65536:
        raise CommandError(f"invalid port: {port}")
    return port


def run_invite(context: Context, values: Values) -> int:
    """Make one more client's bundle."""
    from wharfie.cli.remote.enabling import invite
    from wharfie.pki.own import own_names

    host = values.text("host") or own_names()[0]
    bundle = invite(
        _place(context, values),
        values.args[0],
        host=host,
        port=_port(values),
        terms=read_terms(values),
    )
    context.say(str(bundle))
    advise(context, bundle, host)
    return 0


def run_list(context: Context, values: Values) -> int:
    """Print who was invited."""
    from wharfie.cli.output.contexts import clients as listing
    from wharfie.cli.remote.enabling import clients
    from wharfie.pki.errors import PkiError

    try:
        found = clients(_place(context, values))
    except PkiError as error:
        raise CommandError(str(error)) from None
    context.write(listing().render(found, values.text("format") or "table"))
    return 0


def run_env(context: Context, values: Values) -> int:
    """Print what a shell sets for programs that know no contexts."""
    from shlex import quote

    from wharfie.cli.contexts.store import ContextStore

    stored = ContextStore(context.config.directory).load(values.args[0])
    context.say(f"export DOCKER_HOST={quote(stored.host)}")
    if stored.tls_file("ca") or stored.tls_file("cert"):
        context.say(f"export DOCKER_CERT_PATH={quote(stored.tls_path + '/docker')}")
        context.say(
            "unset DOCKER_TLS_VERIFY" if stored.skip_verify else "export DOCKER_TLS_VERIFY=1"
        )
        if stored.skip_verify:
            context.say("export DOCKER_TLS=1")
    else:
        context.say("unset DOCKER_TLS DOCKER_TLS_VERIFY DOCKER_CERT_PATH")
    return 0


def run_revoke(context: Context, values: Values) -> int:
    """Lock a client out."""
    from wharfie.cli.remote.enabling import revoke

    terms = read_terms(values)
    count = revoke(_place(context, values), values.args[0], terms=terms)
    context.say(values.args[0])
    certificates = "its certificate" if count == 1 else f"its {count} certificates"
    context.note(f"Locked out, with {certificates}, once the daemon has read the list")
    if values.on("reload"):
        return _systemctl(context, "reload")
    unit = "docker" if context.prog == "docker" else "wharfie"
    context.note(f"    systemctl reload {unit}   # or: kill -HUP the daemon")
    return 0


def run_disable(context: Context, values: Values) -> int:
    """Close the daemon to other machines again."""
    from wharfie.cli.remote.enabling import disable

    place = _place(context, values)
    if disable(place):
        context.note(f"Changed {place.config_file}: no TCP address, no TLS")
    else:
        context.note(f"{place.config_file} has neither TCP addresses nor TLS settings")
    return _systemctl(context, "restart") if values.on("restart") else 0


def advise(context: Context, bundle: Path, host: str) -> None:
    """Say what the client's user does with a bundle; to stderr, for the path is the data."""
    name = "server" if ":" in host else host
    context.note(
        "The bundle holds a key that gives root on this machine. On the client:\n"
        f"    scp {f'[{host}]' if ':' in host else host}:{bundle} .\n"
        f"    {context.prog} context import {name} {bundle.name}\n"
        f"    {context.prog} --context {name} version"
    )


def _systemctl(context: Context, verb: str) -> int:
    """Restart the daemon's unit, or reload it."""
    import subprocess

    unit = "docker" if context.prog == "docker" else "wharfie"
    if not os.path.isdir("/run/systemd/system"):
        raise CommandError(f"systemd does not run here: {verb} the daemon yourself")
    return subprocess.run(["systemctl", verb, unit], check=False).returncode


_RESTART = "    --restart  Restart the daemon's systemd unit afterwards\n"
_FIRST = '    --client string  Name of the first client (default "admin")\n'

ENABLE = Command(
    run_enable,
    "Let other machines use this daemon, over mutual TLS",
    "[--host HOST]...",
    flags=_PLACE
    + _PORT
    + _RESTART
    + _FIRST
    + "    --host list  Name or address by which clients reach this machine; its own are added\n"
    + KEY_FLAGS,
    long="Let other machines use this daemon, over mutual TLS: make a CA, the server's\n"
    "certificate and a bundle for the first client, and set daemon.json accordingly.\n"
    "Nothing that is there is lost. The daemon listens after its next start.",
)
INVITE = Command(
    run_invite,
    "Make a bundle for one more client",
    "CLIENT",
    flags=_PLACE
    + _PORT
    + "    --host string  Name or address by which the client reaches this machine\n"
    + KEY_FLAGS,
    least=1,
    most=1,
)
DISABLE = Command(
    run_disable,
    "Close this daemon to other machines again",
    flags=_PLACE + _RESTART,
)
REVOKE = Command(
    run_revoke,
    "Lock a client out",
    "CLIENT",
    flags=_PLACE + "    --passphrase-file string  File whose first line unlocks the CA's key,"
    ' "-" for standard input\n'
    + "    --reload  Have the daemon's systemd unit read the list at once\n",
    least=1,
    most=1,
    long="Lock a client out: put every certificate that was made for it on the revocation list.\n"
    "The daemon cuts its connections when it reads the list again.",
)
LS = Command(
    run_list,
    "List the clients that were invited",
    flags=_PLACE + LIST,
)
ENV = Command(
    run_env,
    "Print a context as environment, for programs that know no contexts",
    "CONTEXT",
    least=1,
    most=1,
    long="Print a context as environment, for programs that know no contexts, as most SDKs:\n"
    'eval "$(wharfie remote env CONTEXT)"',
)
