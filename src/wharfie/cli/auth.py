"""Registry credentials from `config.json`, as the daemon wants them."""

from __future__ import annotations

from wharfie.cli.config import ConfigFile
from wharfie.formats.gojson import dumps

_HUB_KEY = "https://index.docker.io/v1/"


def registry_auth(config: ConfigFile, domain: str) -> str:
    """Return the X-Registry-Auth header for a registry; `e30=` says there are none."""
    from binascii import a2b_base64, b2a_base64

    key = _HUB_KEY if domain == "docker.io" else domain
    auths = config.mapping("auths")
    entry = auths.get(key) or auths.get(f"https://{key}") or auths.get(f"http://{key}")
    document: dict[str, object] = {}
    if isinstance(entry, dict):
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
        if document:
            document["serveraddress"] = key
    data = b2a_base64(dumps(document).encode(), newline=False)
    return data.decode().replace("+", "-").replace("/", "_")
