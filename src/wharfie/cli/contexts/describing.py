"""What `--docker host=…,ca=…,cert=…,key=…,skip-tls-verify=…,from=…` describes."""

from __future__ import annotations

from wharfie.cli.config import read_file
from wharfie.cli.contexts.store import DOCKER, ContextStore, StoredContext
from wharfie.cli.errors import CommandError
from wharfie.client.endpoint import parse_endpoint
from wharfie.client.errors import EndpointError, InvalidSshUrl

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    Described = tuple[Mapping[str, object], Mapping[str, bytes]]

_TRUE = {"1", "t", "T", "TRUE", "true", "True"}
_FALSE = {"0", "f", "F", "FALSE", "false", "False"}
_FILES = {"ca": "ca.pem", "cert": "cert.pem", "key": "key.pem"}


def describe(store: ContextStore, given: Mapping[str, str]) -> Described:
    """Return the endpoint, and the contents of its TLS files, of a description.

    Raises:
        CommandError: in Docker's words, without what was being done.
    """
    unknown = sorted(set(given) - {*_FILES, "from", "host", "skip-tls-verify"})
    if unknown:
        raise CommandError(f"unrecognized config key: {unknown[0]}")
    if "from" in given:
        return _copied(store.load(given["from"]))
    tls = {}
    for key, name in _FILES.items():
        if given.get(key):
            tls[name] = _content(given[key])
    skip = given.get("skip-tls-verify", "false")
    if skip not in _TRUE | _FALSE:
        raise CommandError(f'skip-tls-verify: parsing "{skip}": invalid syntax')
    host = given.get("host", "")
    _check_host(host)
    if host.startswith("tcp://"):
        try:
            check_material(tls)
        except CommandError as error:
            raise CommandError(f"invalid docker endpoint options: {error}") from None
    return {"Host": host, "SkipTLSVerify": skip in _TRUE}, tls


def _copied(context: StoredContext) -> Described:
    endpoint = {"Host": context.host, "SkipTLSVerify": context.skip_verify}
    return endpoint, context.tls_content().get(DOCKER, {})


def _content(path: str) -> bytes:
    from wharfie.client.dialing import error_words

    try:
        data = read_file(path)
    except OSError as error:
        raise CommandError(f"open {path}: {error_words(error)}") from None
    if data is None:
        raise CommandError(f"open {path}: no such file or directory")
    return data


def _check_host(host: str) -> None:
    if host and "://" not in host:
        raise CommandError(
            f"unable to apply docker endpoint options: unable to parse docker host `{host}`"
        )
    try:
        parse_endpoint(host)
    except InvalidSshUrl as error:
        raise CommandError(f"invalid docker endpoint options: {error}") from None
    except EndpointError as error:
        raise CommandError(f"unable to apply docker endpoint options: {error}") from None


def check_material(tls: Mapping[str, bytes]) -> None:
    """Refuse TLS files that no connection could use.

    Raises:
        CommandError: in the genuine client's words.
    """
    from cryptography import x509

    if "ca.pem" in tls:
        try:
            x509.load_pem_x509_certificates(tls["ca.pem"])
        except ValueError:
            raise _unusable("ca.pem seems invalid") from None
    if "cert.pem" in tls and "key.pem" in tls:
        _check_pair(tls["cert.pem"], tls["key.pem"])


def _check_pair(cert: bytes, key: bytes) -> None:
    from cryptography import x509

    from wharfie.pki.errors import UnreadableFile
    from wharfie.pki.keys import decode_key, public_bytes, public_bytes_of

    if b"-----BEGIN " not in key:
        raise CommandError("no valid private key found")
    if b"Proc-Type: 4,ENCRYPTED" in key:
        raise CommandError(
            "private key is encrypted - support for encrypted private keys has been removed, see"
            " https://docs.docker.com/go/deprecated/"
        )
    try:
        certificate = x509.load_pem_x509_certificates(cert)[0]
    except ValueError:
        raise _unusable("tls: failed to find any PEM data in certificate input") from None
    try:
        private = decode_key(key, "key.pem")
    except UnreadableFile:
        raise _unusable("tls: failed to parse private key") from None
    certified = public_bytes_of(certificate)
    if certified == public_bytes(private):
        return
    same = type(certificate.public_key()) is type(private.public_key())
    what = "key" if same else "key type"
    raise _unusable(f"tls: private {what} does not match public {what}")


def _unusable(why: str) -> CommandError:
    return CommandError(f"failed to retrieve context tls info: {why}")
