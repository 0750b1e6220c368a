"""Registry credentials: where they are kept, and how the daemon wants them.

A credential helper named in `config.json` (`credHelpers` for one registry, `credsStore` for all)
keeps them; without one they stand in the file itself, which `login` warns of. In the file a
registry's name may have a scheme and a path, as old clients wrote it.
"""

from __future__ import annotations

from wharfie.cli.config import ConfigFile
from wharfie.cli.errors import CommandError
from wharfie.formats.gojson import dumps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    Document = dict[str, object]

HUB_KEY = "https://index.docker.io/v1/"
"""Under this name the Hub's credentials are kept, everywhere."""
_TOKEN_USER = "<token>"  # noqa: S105 - a helper's word for "this is no password"


def server_key(domain: str) -> str:
    """Return the name a registry's credentials are kept under."""
    return HUB_KEY if domain in ("", "docker.io", "index.docker.io") else domain


def host_of(key: str) -> str:
    """Return a server's name without scheme and path."""
    return key.removeprefix("https://").removeprefix("http://").partition("/")[0]


def registry_auth(config: ConfigFile, domain: str) -> str:
    """Return the X-Registry-Auth header for a registry; `e30=` says there are none."""
    return encode_auth(load_credentials(config, server_key(domain)))


def encode_auth(document: Mapping[str, object]) -> str:
    """Spell credentials as a header."""
    from binascii import b2a_base64

    data = b2a_base64(dumps(document).encode(), newline=False)
    return data.decode().replace("+", "-").replace("/", "_")


def load_credentials(config: ConfigFile, key: str) -> Document:
    """Return what is kept for a server, as the API's AuthConfig; empty when nothing is.

    Raises:
        CommandError: its helper fails.
    """
    helper = helper_of(config, key)
    document = _ask_helper(helper, key) if helper else _from_file(config, key)
    if document:
        document["serveraddress"] = key
    return document


def all_credentials(config: ConfigFile) -> dict[str, object]:
    """What is kept for every server that is known by name; a helper that fails has none."""
    names = [*config.mapping("auths"), *config.mapping("credHelpers")]
    found: dict[str, object] = {}
    for name in dict.fromkeys(names):
        try:
            document = load_credentials(config, name)
        except CommandError:
            continue
        if document:
            found[name] = document
    return found


def helper_of(config: ConfigFile, key: str) -> str:
    """Return the helper that keeps a server's credentials, empty for the file itself."""
    special = config.mapping("credHelpers").get(key)
    return special if isinstance(special, str) and special else config.text("credsStore")


def store_credentials(config: ConfigFile, key: str, document: Mapping[str, object]) -> bool:
    """Keep credentials; True when a password came to stand in the file for all to read who can.

    Raises:
        CommandError: the helper or the file refuses.
    """
    user, secret = str(document.get("username") or ""), str(document.get("password") or "")
    token = str(document.get("identitytoken") or "")
    helper = helper_of(config, key)
    auths = dict(config.mapping("auths"))
    if helper:
        from wharfie.cli.credentials.program import CredentialHelper

        program = CredentialHelper(helper)
        if token:
            program.store(key, _TOKEN_USER, token)
        else:
            program.store(key, user, secret)
        auths[key] = {}
        config.save("auths", auths)
        return False
    from binascii import b2a_base64

    entry: Document = {}
    if token:
        entry["auth"] = b2a_base64(f"{user}:".encode(), newline=False).decode()
        entry["identitytoken"] = token
    else:
        entry["auth"] = b2a_base64(f"{user}:{secret}".encode(), newline=False).decode()
    is_told = not token and auths.get(key) != entry
    auths[key] = entry
    config.save("auths", auths)
    return is_told


def erase_credentials(config: ConfigFile, key: str) -> None:
    """Forget a server's credentials, under all names it may have.

    Raises:
        CommandError: the helper or the file refuses.
    """
    host = host_of(key)
    names = [key, *(name for name in (host, f"http://{host}", f"https://{host}") if name != key)]
    if key == HUB_KEY:
        names = [key]
    helper = helper_of(config, key)
    if helper:
        from wharfie.cli.credentials.program import CredentialHelper

        program = CredentialHelper(helper)
        for name in names:
            program.erase(name)
    auths = {name: entry for name, entry in config.mapping("auths").items() if name not in names}
    if len(auths) != len(config.mapping("auths")):
        config.save("auths", auths)


def _ask_helper(helper: str, key: str) -> Document:
    from wharfie.cli.credentials.program import CredentialHelper

    found = CredentialHelper(helper).get(key)
    if found is None:
        return {}
    user, secret = found
    if user == _TOKEN_USER:
        return {"identitytoken": secret}
    return {"username": user, "password": secret}


def _from_file(config: ConfigFile, key: str) -> Document:
    auths = config.mapping("auths")
    entry = auths.get(key)
    if entry is None:
        host = host_of(key)
        entry = next((one for name, one in auths.items() if host_of(name) == host), None)
    document: Document = {}
    if isinstance(entry, dict):
        from binascii import a2b_base64

        try:
            pair = a2b_base64(str(entry.get("auth") or "")).decode().rstrip("\0")
        except ValueError:
            pair = ""
        user, colon, secret = pair.partition(":")
        if colon:
            document["username"], document["password"] = user, secret
        for name in ("identitytoken", "registrytoken"):
            if entry.get(name):
                document[name] = entry[name]
    return document
