"""Who may do what, as configured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct, field

from wharfie.registry.ports import Action


class Rule(Struct, frozen=True, forbid_unknown_fields=True):
    """One rule: see `access/rules.py`."""

    users: list[str]
    repositories: list[str]
    actions: list[Action] = field(default_factory=lambda: [Action.PULL])


class AccountsConfig(Struct, frozen=True, kw_only=True):
    """Accounts of an htpasswd file; `realm` is shown to those who must log in."""

    path: str
    realm: str = "Registry"


class TokenServerConfig(Struct, frozen=True, kw_only=True):
    """Another server's tokens.

    Attributes:
        realm: its URL; a path where it answers below this server's own address.
        issuer: tokens must be from it.
        service: tokens must be for it.
        bundle: file of certificates or public keys, "" for none.
        jwks: file of a JWK set, "" for none.
        algorithms: admitted; empty for all that are known.
    """

    realm: str
    issuer: str
    service: str
    bundle: str = ""
    jwks: str = ""
    algorithms: Sequence[str] = ()


class TokensConfig(Struct, frozen=True, kw_only=True):
    """The registry's own tokens.

    Attributes:
        issuer: name of the issuer in them; also of the service when that is "".
        service: what they are for.
        key: file of the key; "" for one below the storage's root.
        life: seconds.
        refresh_life: seconds of those that stand for a password.
    """

    issuer: str = "wharfie-registry"
    service: str = ""
    key: str = ""
    life: float = 300.0
    refresh_life: float = 30 * 24 * 3600.0


class AccessConfig(Struct, frozen=True, kw_only=True):
    """All of it.

    Attributes:
        rules: None where none are given.
        requests: a second and client, 0 for any number.
        burst: requests at once.
        failures: failed logins a minute and address, 0 for any number.
        trusted_proxies: networks whose X-Forwarded-For and -Proto are believed.
    """

    accounts: AccountsConfig | None = None
    token_server: TokenServerConfig | None = None
    tokens: TokensConfig | None = None
    rules: Sequence[Rule] | None = None
    groups: Mapping[str, Sequence[str]] = field(default_factory=dict)
    requests: float = 0.0
    burst: float = 0.0
    failures: float = 10.0
    trusted_proxies: Sequence[str] = ()
