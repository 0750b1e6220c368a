"""`login`, `logout`, `search`: what a user has to do with registries beside images."""

from __future__ import annotations

import os
import sys

from wharfie.cli.command import Command
from wharfie.cli.context import Context, is_terminal
from wharfie.cli.credentials.store import (
    HUB_KEY,
    encode_auth,
    erase_credentials,
    host_of,
    load_credentials,
    server_key,
    store_credentials,
)
from wharfie.cli.errors import CommandError
from wharfie.client.errors import DaemonError
from wharfie.formats.gojson import dumps
from wharfie.formats.pflag import Values

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_INSECURE = "WARNING! Using --password via the CLI is insecure. Use --password-stdin."
_NO_TERMINAL = "Error: Cannot perform an interactive login from a non TTY device"
_OTHER_ACCOUNT = (
    "\n Info -> To login with a different account, run 'docker logout' followed by "
    "'docker login'\n\n"
)
_IN_CLEAR = """
WARNING! Your credentials are stored unencrypted in '{path}'.
Configure a credential helper to remove this warning. See
https://docs.docker.com/go/credential-store/
"""


def run_login(context: Context, flags: Values) -> int:
    """Check credentials with the daemon, then keep them."""
    key = _key(flags.args[0] if flags.args else "")
    user, secret = _given(context, flags)
    known = {} if user or secret else load_credentials(context.config, key)
    reply = None
    document: Mapping[str, object] = known
    if known.get("username") or known.get("identitytoken"):
        name = known.get("username") or "<token>"
        context.note(f"Authenticating with existing credentials... [Username: {name}]")
        context.note(_OTHER_ACCOUNT)
        try:
            reply = _check(context, known)
        except DaemonError as error:
            context.note(f"Login did not succeed, error: {error}")
    if reply is None:
        if not (user and secret):
            user, secret = _asked(context, user, secret)
        document = {"username": user, "password": secret, "serveraddress": key}
        reply = _check(context, document)
    token = reply.get("IdentityToken")
    if token:
        document = {**document, "password": "", "identitytoken": token}
    try:
        in_clear = store_credentials(context.config, key, document)
    except CommandError as error:
        raise CommandError(f"Error saving credentials: {error}") from None
    if in_clear:
        context.note(_IN_CLEAR.format(path=context.config.path))
    context.say(str(reply.get("Status") or "Login Succeeded"))
    return 0


def run_logout(context: Context, flags: Values) -> int:
    """Forget credentials."""
    key = _key(flags.args[0] if flags.args else "")
    context.say(f"Removing login credentials for {key}")
    context.flush()
    try:
        erase_credentials(context.config, key)
    except CommandError as error:
        context.note(f"WARNING: could not erase credentials:\n{key}: {error}")
    return 0


def run_search(context: Context, flags: Values) -> int:
    """Search a registry for repositories."""
    from wharfie.cli.output.resources import search
    from wharfie.cli.output.values import objects
    from wharfie.client.daemon import read_json

    term = flags.args[0]
    query = {"term": term}
    if filters := flags.filters("filter"):
        query["filters"] = dumps(filters)
    if flags.text("limit") not in ("", "0"):
        query["limit"] = flags.text("limit")
    domain = term.partition("/")[0] if "/" in term else ""
    has_domain = "." in domain or ":" in domain or domain == "localhost"
    credentials = load_credentials(context.config, server_key(domain if has_domain else ""))
    response = context.client.call(
        "GET", "/images/search", query=query, headers={"X-Registry-Auth": encode_auth(credentials)}
    )
    found = objects(read_json(response))
    rows = search(truncate=not flags.on("no-trunc"))
    context.write(rows.render(found, flags.text("format") or "table"))
    return 0


def _key(server: str) -> str:
    """Return the name a server's credentials are kept under."""
    if not server or server == HUB_KEY:
        return HUB_KEY
    return server_key(host_of(server))


def _given(context: Context, flags: Values) -> tuple[str, str]:
    """User and password as the flags and stdin give them."""
    user, secret = flags.text("username"), flags.text("password")
    if secret and flags.on("password-stdin"):
        raise CommandError(
            "conflicting options: cannot specify both --password and --password-stdin"
        )
    if secret:
        context.note(_INSECURE)
    if flags.on("password-stdin"):
        if not user:
            raise CommandError("the --password-stdin option requires --username to be set")
        secret = sys.stdin.read().rstrip("\r\n")
    return user, secret


def _asked(context: Context, user: str, secret: str) -> tuple[str, str]:
    """User and password as the user types them."""
    if not is_terminal(0):
        raise CommandError(_NO_TERMINAL)
    if not user:
        sys.stdout.write("Username: ")
        context.flush()
        user = sys.stdin.readline().strip()
        if not user:
            raise CommandError("Error: Non-null Username Required")
    if not secret:
        secret = _read_secretly("Password: ")
        if not secret:
            raise CommandError("Error: Password Required")
    return user, secret


def _read_secretly(prompt: str) -> str:
    """Read a line that is not shown."""
    import termios

    sys.stdout.write(prompt)
    sys.stdout.flush()
    before = termios.tcgetattr(0)
    silent = list(before)
    silent[3] &= ~termios.ECHO
    termios.tcsetattr(0, termios.TCSADRAIN, silent)
    try:
        line = b""
        while not line.endswith(b"\n"):
            more = os.read(0, 4096)
            if not more:
                break
            line += more
    finally:
        termios.tcsetattr(0, termios.TCSADRAIN, before)
        sys.stdout.write("\n")
        sys.stdout.flush()
    return line.decode("utf-8", "surrogateescape").rstrip("\r\n")


def _check(context: Context, document: Mapping[str, object]) -> Mapping[str, object]:
    reply = context.client.json("POST", "/auth", body=document)
    return reply if isinstance(reply, dict) else {}


LOGIN = Command(
    run_login,
    "Authenticate to a registry",
    "[SERVER]",
    flags="""
    -p, --password string  Password or Personal Access Token (PAT)
    --password-stdin  Take the Password or Personal Access Token (PAT) from stdin
    -u, --username string  Username
    """,
    most=1,
    long="Authenticate to a registry.\nDefaults to Docker Hub if no server is specified.",
)
LOGOUT = Command(
    run_logout,
    "Log out from a registry",
    "[SERVER]",
    most=1,
    long=(
        "Log out from a registry.\nIf no server is specified, the default is defined by the daemon."
    ),
)
SEARCH = Command(
    run_search,
    "Search Docker Hub for images",
    "TERM",
    flags="""
    -f, --filter filter  Filter output based on conditions provided
    --format string  Pretty-print search using a Go template
    --limit int  Max number of search results
    --no-trunc  Don't truncate output
    """,
    least=1,
    most=1,
)
