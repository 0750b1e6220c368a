"""`wharfie cert`: certificates for mutual TLS, without openssl recipes. No daemon is asked."""

from __future__ import annotations

from wharfie.cli.command import Command
from wharfie.cli.commands.remote.terms import KEY_FLAGS, current_time, read_terms
from wharfie.cli.errors import CommandError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

    from cryptography.x509 import Certificate

    from wharfie.cli.context import Context
    from wharfie.formats.pflag import Values

_DIRECTORY = '    --dir string  Directory of the six PEM files (default ".")\n'
_OUT = "    --out string  Directory for the new files (default: that of the CA)\n"
_HOST = "    --host list  Name or address by which clients reach the server; may be repeated\n"


def run_create(context: Context, values: Values) -> int:
    """Make a CA, a server and a client at once."""
    from pathlib import Path

    from wharfie.pki.directory import create
    from wharfie.pki.errors import PkiError
    from wharfie.pki.names import parse_hosts

    try:
        paths = create(
            Path(values.text("dir")),
            parse_hosts(values.items("host")),
            terms=read_terms(values),
            ca_name=values.text("ca-name"),
            client_name=values.text("client"),
        )
    except PkiError as error:
        raise CommandError(str(error)) from None
    return _report(context, paths)


def run_server(context: Context, values: Values) -> int:
    """Make a server certificate by a CA that exists."""
    from pathlib import Path

    from wharfie.pki.directory import add_server
    from wharfie.pki.errors import PkiError
    from wharfie.pki.names import parse_hosts

    directory = Path(values.text("dir"))
    try:
        paths = add_server(
            directory,
            parse_hosts(values.items("host")),
            terms=read_terms(values),
            out=_out(values),
        )
    except PkiError as error:
        raise CommandError(str(error)) from None
    return _report(context, paths)


def run_client(context: Context, values: Values) -> int:
    """Make a client certificate by a CA that exists."""
    from pathlib import Path

    from wharfie.pki.directory import add_client
    from wharfie.pki.errors import PkiError

    try:
        paths = add_client(
            Path(values.text("dir")),
            values.args[0],
            terms=read_terms(values),
            out=_out(values),
        )
    except PkiError as error:
        raise CommandError(str(error)) from None
    return _report(context, paths)


def run_inspect(context: Context, values: Values) -> int:
    """Describe the certificates of files; exit code 1 if something is wrong with one."""
    from pathlib import Path

    from wharfie.pki.certificates import decode_certificates
    from wharfie.pki.errors import PkiError
    from wharfie.pki.files import read_pem

    wrong = False
    for name in values.args:
        try:
            certificates = decode_certificates(read_pem(Path(name)), name)
        except PkiError as error:
            context.note(str(error))
            wrong = True
            continue
        for certificate in certificates:
            wrong |= _describe(context, name, certificate)
    return int(wrong)


def _describe(context: Context, name: str, certificate: Certificate) -> bool:
    """Print one certificate; tells whether it has problems."""
    from wharfie.pki.inspection import describe

    try:
        text = describe(certificate, now=current_time())
    except ValueError as error:
        context.note(f"{name}: malformed certificate: {error}")
        return True
    rows = {
        "Subject": text.subject,
        "Issuer": text.issuer,
        "Serial": text.serial,
        "Valid": f"{text.not_before:%Y-%m-%d %H:%M} to {text.not_after:%Y-%m-%d %H:%M} UTC",
        "Key": text.key,
        "CA": "yes" if text.is_ca else "no",
        "Hosts": ", ".join(text.hosts) or "none",
        "Usages": ", ".join(text.usages) or "any",
        "SHA-256": text.fingerprint,
    }
    context.say(name)
    for title, value in rows.items():
        context.say(f"  {title + ':':<9} {value}")
    for problem in text.problems:
        context.say(f"  Problem:  {problem}")
    return bool(text.problems)


def _out(values: Values) -> Path:
    from pathlib import Path

    return Path(values.text("out") or values.text("dir"))


def _report(context: Context, paths: list[Path]) -> int:
    for path in paths:
        context.say(str(path))
    return 0


CREATE = Command(
    run_create,
    "Create a CA, a server and a client certificate",
    "--host HOST",
    flags=_DIRECTORY
    + _HOST
    + KEY_FLAGS
    + '    --ca-name string  Common name of the CA (default "wharfie CA")\n'
    + '    --client string  Common name of the client (default "client")\n',
    long="Create a CA, a server and a client certificate: everything that mutual TLS needs.\n\n"
    "Start the daemon with ca.pem, server-cert.pem and server-key.pem, give ca.pem, cert.pem\n"
    "and key.pem to the client, and keep ca-key.pem away from both.",
)
SERVER = Command(
    run_server,
    "Create one more server certificate",
    "--host HOST",
    flags=_DIRECTORY + _HOST + _OUT + KEY_FLAGS,
)
CLIENT = Command(
    run_client,
    "Create one more client certificate",
    "NAME",
    flags=_DIRECTORY + _OUT + KEY_FLAGS,
    least=1,
    most=1,
)
INSPECT = Command(
    run_inspect,
    "Show what certificates say and what is wrong with them",
    "FILE [FILE...]",
    least=1,
    most=None,
)
