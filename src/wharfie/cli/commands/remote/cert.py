"""`wharfie cert`: certificates for mutual TLS, without openssl recipes. No daemon is asked."""

from __future__ import annotations

from wharfie.cli.command import Command
from wharfie.cli.commands.remote.cfssl import leaf_of_cfssl, trio_of_cfssl
from wharfie.cli.commands.remote.terms import KEY_FLAGS, current_time, read_terms
from wharfie.cli.errors import CommandError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cryptography.x509 import Certificate

    from wharfie.cli.context import Context
    from wharfie.formats.pflag import Values
    from wharfie.pki.certificates import LeafRequest
    from wharfie.pki.directory import Terms, Trio
    from wharfie.pki.names import HostNames

    Add = Callable[..., list[Path]]

_DIRECTORY = '    --dir string  Directory of the six PEM files (default ".")\n'
_OUT = "    --out string  Directory for the new files (default: that of the CA)\n"
_OWN = "    --own-names  Add the names and addresses of this machine\n"
_JSON = "    --json  Print certificate, request and key as cfssl does, write no files\n"
_CFSSL = """
    --csr string  cfssl's JSON of what is wanted: CN, hosts, key, names
    --config string  cfssl's JSON of signing profiles
    --profile string  Profile to take from it
"""
_HOST = "    --host list  Name or address by which clients reach the server; may be repeated\n"


def run_create(context: Context, values: Values) -> int:
    """Make a CA, a server and a client at once."""
    from pathlib import Path

    from wharfie.pki.directory import create, write_trio
    from wharfie.pki.errors import PkiError

    directory, terms = Path(values.text("dir")), read_terms(values)
    try:
        if values.has("cfssl"):
            trio = trio_of_cfssl(Path(values.text("cfssl")), terms)
            if values.on("json"):
                return _print_trio(context, trio)
            return _report(context, write_trio(directory, trio, terms=terms))
        if values.on("json"):
            raise CommandError("--json goes with --cfssl")
        paths = create(
            directory,
            _hosts(values),
            terms=terms,
            ca_name=values.text("ca-name"),
            client_name=values.text("client"),
        )
    except PkiError as error:
        raise CommandError(str(error)) from None
    return _report(context, paths)


def _print_trio(context: Context, trio: Trio) -> int:
    from wharfie.formats.gojson import dumps
    from wharfie.pki.cfssl import gencert_output

    parts = {"ca": trio.ca, "server": trio.server, "client": trio.client}
    context.say(dumps({name: gencert_output(one) for name, one in parts.items()}))
    return 0


def _hosts(values: Values) -> HostNames:
    from wharfie.pki.names import parse_hosts
    from wharfie.pki.own import own_names

    own = own_names() if values.on("own-names") else []
    return parse_hosts([*values.items("host"), *own])


def run_server(context: Context, values: Values) -> int:
    """Make a server certificate by a CA that exists."""
    from wharfie.pki.certificates import server_request
    from wharfie.pki.directory import add_server
    from wharfie.pki.errors import PkiError

    terms = read_terms(values)
    try:
        request = leaf_of_cfssl(values, "server")
        if request is None:
            request = server_request(_hosts(values), days=terms.days, key_type=terms.key_type)
        return _issue(context, values, request, add_server, terms)
    except PkiError as error:
        raise CommandError(str(error)) from None


def run_client(context: Context, values: Values) -> int:
    """Make a client certificate by a CA that exists."""
    from wharfie.pki.certificates import client_request
    from wharfie.pki.directory import add_client
    from wharfie.pki.errors import PkiError

    terms = read_terms(values)
    try:
        request = leaf_of_cfssl(values, "client")
        if request is None:
            if not values.args:
                raise CommandError("name the client, or give a request with --csr")
            name = values.args[0]
            request = client_request(name, days=terms.days, key_type=terms.key_type)
        return _issue(context, values, request, add_client, terms)
    except PkiError as error:
        raise CommandError(str(error)) from None


def _issue(context: Context, values: Values, request: LeafRequest, add: Add, terms: Terms) -> int:
    """Write a leaf's files, or print it as cfssl does."""
    from pathlib import Path

    directory = Path(values.text("dir"))
    if values.on("json"):
        from wharfie.formats.gojson import dumps
        from wharfie.pki.cfssl import gencert_output
        from wharfie.pki.directory import sign

        context.say(dumps(gencert_output(sign(directory, request, terms=terms))))
        return 0
    return _report(context, add(directory, request, terms=terms, out=_out(values)))


def run_check(context: Context, values: Values) -> int:
    """Check directories; exit code 1 if something is wrong in one."""
    from dataclasses import asdict
    from pathlib import Path

    from wharfie.formats.gojson import dumps
    from wharfie.pki.checking import check_directory
    from wharfie.pki.errors import PkiError

    flaws = []
    for name in values.args or ["."]:
        try:
            hosts = values.items("host")
            flaws += check_directory(Path(name), now=current_time(), hosts=hosts)
        except PkiError as error:
            raise CommandError(str(error)) from None
    if values.text("format") == "json":
        context.say(dumps([asdict(flaw) for flaw in flaws], indent="    "))
    elif values.text("format"):
        raise CommandError(f"unknown format {values.text('format')}: only json")
    else:
        for flaw in flaws:
            context.say(f"{flaw.file}: {flaw.problem}\n    {flaw.remedy}")
        if not flaws:
            context.say("all is well")
    return int(bool(flaws))


def run_renew(context: Context, values: Values) -> int:
    """Renew what is due, or what was named."""
    from datetime import timedelta
    from pathlib import Path

    from wharfie.pki import files
    from wharfie.pki.errors import PkiError
    from wharfie.pki.renewal import due, renew

    directory, terms = Path(values.text("dir")), read_terms(values)
    which = {"ca": files.CA_CERT, "server": files.SERVER_CERT, "client": files.CLIENT_CERT}
    names = [name for flag, name in which.items() if values.on(flag)]
    try:
        if not names and not values.items("host"):
            within = timedelta(days=values.number("within"))
            names = due(directory, now=terms.now, within=within)
        elif not names:
            names = [files.SERVER_CERT]
        if not names:
            context.note(f"nothing ends within {values.number('within')} days")
            return 0
        paths = renew(
            directory,
            names,
            terms=terms,
            hosts=values.items("host"),
            new_key=values.on("new-key"),
        )
    except PkiError as error:
        raise CommandError(str(error)) from None
    _report(context, paths)
    if files.SERVER_CERT in names or files.CA_CERT in names:
        context.note("A running daemon reads them again on SIGHUP: systemctl reload wharfie")
    return 0


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
    + _OWN
    + KEY_FLAGS
    + _JSON
    + '    --ca-name string  Common name of the CA (default "wharfie CA")\n'
    + '    --client string  Common name of the client (default "client")\n'
    + "    --cfssl string  Directory of cfssl's JSON files to take everything from: ca-csr.json,"
    " server.json, client.json, ca-config.json\n",
    long="Create a CA, a server and a client certificate: everything that mutual TLS needs.\n\n"
    "Start the daemon with ca.pem, server-cert.pem and server-key.pem, give ca.pem, cert.pem\n"
    "and key.pem to the client, and keep ca-key.pem away from both.",
)
SERVER = Command(
    run_server,
    "Create one more server certificate",
    "--host HOST",
    flags=_DIRECTORY + _HOST + _OWN + _OUT + KEY_FLAGS + _CFSSL + _JSON,
)
CLIENT = Command(
    run_client,
    "Create one more client certificate",
    "[NAME]",
    flags=_DIRECTORY + _OUT + KEY_FLAGS + _CFSSL + _JSON,
    most=1,
)
CHECK = Command(
    run_check,
    "Check directories of certificates and say how to mend them",
    "[DIRECTORY...]",
    flags="    --host list  Name or address for which the server's certificate should be valid\n"
    '    --format string  Format of the output ("json")\n',
    most=None,
    long="Check directories of certificates: dates, names, uses, keys, modes, and whether the CA\n"
    "signed them. Exit code 1 if something is wrong; each problem comes with what mends it.",
)
RENEW = Command(
    run_renew,
    "Renew certificates before they expire",
    flags=_DIRECTORY
    + KEY_FLAGS.replace("    --force  Replace files that exist\n", "")
    + "    --within int  Renew what ends within so many days (default 30)\n"
    "    --ca  Renew the CA's certificate, whenever it ends\n"
    "    --server  Renew the server's certificate, whenever it ends\n"
    "    --client  Renew the client's certificate, whenever it ends\n"
    "    --host list  One more name or address for the server\n"
    "    --new-key  Make new keys too (not for the CA)\n",
    long="Renew certificates before they expire: same names, uses and keys, new dates. Clients go\n"
    "on trusting a renewed CA; what it signed stays valid.",
)
INSPECT = Command(
    run_inspect,
    "Show what certificates say and what is wrong with them",
    "FILE [FILE...]",
    least=1,
    most=None,
)
