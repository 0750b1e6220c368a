"""The flags that take cfssl's JSON files in the place of ours."""

from __future__ import annotations

from wharfie.formats.pflag import Values

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

    from wharfie.pki.certificates import LeafRequest
    from wharfie.pki.directory import Terms, Trio

_CONFIG = ("ca-config.json", "config.json")
_CA = ("ca-csr.json", "ca.json")


def trio_of_cfssl(folder: Path, terms: Terms) -> Trio:
    """Make a CA, a server and a client as a directory of cfssl's files says.

    Raises:
        PkiError: a file is missing, malformed, or asks for what cannot be.
    """
    from wharfie.pki.cfssl import create_root, find_file, read_wish
    from wharfie.pki.directory import issue_trio

    path = find_file(folder, *_CA) or folder / _CA[0]
    ca = create_root(read_wish(path), now=terms.now)
    config = find_file(folder, *_CONFIG)
    requests = [
        _leaf(find_file(folder, f"{kind}.json", f"{kind}-csr.json") or folder / f"{kind}.json",
              config, kind, kind)
        for kind in ("server", "client")
    ]  # fmt: skip
    return issue_trio(ca, *requests, terms=terms)


def leaf_of_cfssl(values: Values, kind: str) -> LeafRequest | None:
    """Return the request that `--csr` names; None where there is no such flag.

    Raises:
        PkiError: a file is missing, malformed, or asks for what cannot be.
    """
    from pathlib import Path

    if not values.has("csr"):
        return None
    config = Path(values.text("config")) if values.has("config") else None
    return _leaf(Path(values.text("csr")), config, values.text("profile") or kind, kind)


def _leaf(path: Path, config: Path | None, profile_name: str, kind: str) -> LeafRequest:
    from cryptography.x509.oid import ExtendedKeyUsageOID

    from wharfie.pki.cfssl import Profile, read_profile, read_wish
    from wharfie.pki.errors import InvalidRequest

    profile = read_profile(config, profile_name) if config else Profile()
    wish = read_wish(path)
    is_server = kind == "server"
    if is_server and not wish.hosts:
        raise InvalidRequest(f"{path}: hosts: a server certificate needs a host name or address")
    usage = ExtendedKeyUsageOID.SERVER_AUTH if is_server else ExtendedKeyUsageOID.CLIENT_AUTH
    return wish.leaf(profile, usage=usage)
