"""One more line after a failure: what it comes from, and the command that mends it.

Always to stderr, after the genuine client's words. Called as `docker` we say it to people only,
that is when stderr is a terminal: scripts that compare the text keep working.
"""

from __future__ import annotations

import os
import sys

from wharfie.cli.context import is_terminal
from wharfie.client.errors import Cause

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wharfie.client.daemon import Client
    from wharfie.client.endpoint import Endpoint

_HINTS = {
    Cause.REFUSED: "nothing listens there. On {host}: start the daemon (systemctl start wharfie, or"
    " wharfied), let it listen (wharfie remote enable --host {host})",
    Cause.NO_SOCKET: "no daemon has this socket here: start one (systemctl start wharfie, or"
    " wharfied), or name another machine's (docker context use, DOCKER_HOST)",
    Cause.DENIED: "this user may not use the socket: sudo usermod -aG docker {user}, then log in"
    " again",
    Cause.UNRESOLVED: "the name {host} is unknown here: correct it, or add its address to"
    " /etc/hosts",
    Cause.UNREACHABLE: "there is no way to {host} from here, or a firewall says so: ip route get"
    " {host}",
    Cause.TIMED_OUT: "{host} does not answer: it is down, or a firewall drops packets to port"
    " {port}",
    Cause.WANTS_TLS: "the daemon speaks TLS: give --tlsverify with ca.pem, cert.pem and key.pem in"
    " ~/.docker, or import its bundle (docker context import)",
    Cause.SPEAKS_PLAIN: "the daemon does not speak TLS: unset DOCKER_TLS_VERIFY and leave --tls"
    " away, or have it speak TLS (on {host}: wharfie remote enable)",
    Cause.WRONG_NAME: "use a name that the certificate has, or add this one, on {host}: wharfie"
    " remote enable --host {host}",
    Cause.UNKNOWN_CA: "the server's certificate was not signed by {ca}: fetch the server's ca.pem"
    " again, and ask yourself whether this is your server",
    Cause.EXPIRED: "the server's certificate has ended, or this clock is wrong (date). On {host}:"
    " wharfie cert renew --server --dir /etc/wharfie/tls; systemctl reload wharfie",
    Cause.NOT_YET_VALID: "one of the two clocks is wrong: compare date here and on {host}"
    " (timedatectl set-ntp true)",
    Cause.WRONG_USE: "that certificate is not meant for servers. On {host}: wharfie cert server"
    " --force --host {host} --dir /etc/wharfie/tls",
    Cause.CLIENT_REFUSED: "the daemon wants a certificate signed by its CA and refuses {cert}: get"
    " a bundle (on {host}: wharfie remote invite NAME)",
    Cause.SSH: "try by hand: ssh {host} docker version",
}


def hint_of(cause: str, endpoint: Endpoint) -> str:
    """Return the hint for a cause; empty when there is none."""
    text = _HINTS.get(cause, "")
    tls = endpoint.tls
    return text.format(
        host=endpoint.host or "this machine",
        port=endpoint.port,
        user=os.environ.get("USER") or "$USER",
        ca=(tls.ca if tls else "") or "a CA this system knows",
        cert=(tls.cert if tls else "") or "clients without one",
    )


def give_hint(prog: str, client: Client) -> None:
    """Print the hint for the client's last failure."""
    from wharfie.cli.doctor.findings import in_words_of

    text = in_words_of(prog, hint_of(client.cause, client.endpoint))
    if not text or (prog == "docker" and not is_terminal(2)):
        return
    target = client.endpoint.shown
    sys.stdout.flush()
    sys.stderr.write(f"hint: {text}\nhint: {prog} doctor {target} looks closer\n")
