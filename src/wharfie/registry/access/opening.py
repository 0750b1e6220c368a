"""From the configuration to a gate: reads accounts and keys, chooses rules and challenges."""

from __future__ import annotations

import ipaddress
import os
import time

from wharfie.registry.access.endpoint import TOKEN_PATH, TokenEndpoint
from wharfie.registry.access.gate import Challenges, Gate
from wharfie.registry.access.htpasswd import Accounts, InvalidAccounts
from wharfie.registry.access.keys import (
    ALGORITHMS,
    InvalidKeys,
    KeyRing,
    open_signer,
    read_bundle,
    read_jwks,
)
from wharfie.registry.access.limits import Limits
from wharfie.registry.access.logins import Logins
from wharfie.registry.access.open import OpenedAccess
from wharfie.registry.access.rules import InvalidRule, Rules, all_accounts, everything
from wharfie.registry.access.tokens import Issuer, Verifier
from wharfie.registry.config import Config, ConfigError
from wharfie.registry.config.access import AccessConfig, TokensConfig, TokenServerConfig
from wharfie.registry.ports import Page


def open_gate(config: Config) -> OpenedAccess:
    """Make the gate.

    Raises:
        ConfigError: a file it needs cannot be used.
    """
    access = config.access
    try:
        rules = _rules(access)
    except InvalidRule as error:
        raise ConfigError(f"wharfie.access.rules: {error}") from None
    limits = Limits(
        requests=access.requests,
        burst=access.burst,
        failures=access.failures,
        clock=time.monotonic,
    )
    trusted = [ipaddress.ip_network(text, strict=False) for text in access.trusted_proxies]
    login = _Login(access, config, is_open=rules.admits_anybody())
    verifier = login.verifier
    logins = Logins(login.accounts, verifier, limits, trusted, rules)
    challenges = Challenges(realm=login.realm, service=login.service)
    is_issuer = login.issuer is not None
    pages: dict[str, Page] = {}
    if login.issuer is not None:
        endpoint = TokenEndpoint(login.issuer, logins, login.accounts, rules, limits)
        pages[TOKEN_PATH] = endpoint.answer
    gate = Gate(logins, rules, limits, challenges, is_issuer=is_issuer)
    return OpenedAccess(access=gate, pages=pages, reload=login.reload, close=login.close)


def _rules(access: AccessConfig) -> Rules:
    if access.token_server is not None:
        # What a token grants is all there is: without one, nothing goes.
        return Rules([], {})
    if access.rules is not None:
        return Rules(access.rules, access.groups)
    return all_accounts() if access.accounts else everything()


class _Login:
    """What there is to log in with."""

    def __init__(self, access: AccessConfig, config: Config, *, is_open: bool) -> None:
        self.accounts: Accounts | None = None
        self.issuer: Issuer | None = None
        self.verifier: Verifier | None = None
        self.realm = self.service = ""
        self._server = access.token_server
        if access.accounts is not None:
            try:
                self.accounts = Accounts(access.accounts.path)
            except InvalidAccounts as error:
                raise ConfigError(str(error)) from None
            self.realm = access.accounts.realm
        # Docker's client asks for no token unless told to, and without one it shows nobody's
        # credentials where a password is the only way in: what is open needs tokens.
        tokens = access.tokens or (TokensConfig() if self.accounts and is_open else None)
        if tokens is not None:
            self._issue(tokens, config)
        elif self._server is not None:
            self.realm, self.service = self._server.realm, self._server.service
            self.verifier = Verifier(
                _read_keys(self._server),
                issuer=self._server.issuer,
                service=self._server.service,
                clock=time.time,
            )

    def reload(self) -> None:
        """Read accounts and keys again."""
        if self.accounts is not None:
            self.accounts.reload()
            if self.accounts.complaint:
                raise ConfigError(self.accounts.complaint)
        if self._server is not None and self.verifier is not None:
            self.verifier.adopt(_read_keys(self._server))

    def close(self) -> None:
        """End its threads."""
        if self.accounts is not None:
            self.accounts.close()

    def _issue(self, tokens: TokensConfig, config: Config) -> None:
        if not tokens.key and config.storage.s3 is not None:
            raise ConfigError("wharfie.access.tokens.key: name a file, for there is no directory")
        path = tokens.key or os.path.join(config.storage.root, "token-key.pem")
        try:
            os.makedirs(os.path.dirname(path) or ".", mode=0o700, exist_ok=True)
            signer = open_signer(path)
        except (OSError, InvalidKeys) as error:
            raise ConfigError(str(error)) from None
        self.service = tokens.service or tokens.issuer
        self.realm = config.http.host + TOKEN_PATH
        self.issuer = Issuer(
            signer,
            name=tokens.issuer,
            service=self.service,
            life=tokens.life,
            refresh_life=tokens.refresh_life,
            clock=time.time,
        )
        self.verifier = self.issuer.verifier


def _read_keys(server: TokenServerConfig) -> KeyRing:
    unknown = set(server.algorithms) - set(ALGORITHMS)
    if unknown:
        raise ConfigError(
            f"auth.token.signingalgorithms: {', '.join(sorted(unknown))} are not known here"
        )
    try:
        keys = read_bundle(server.bundle) if server.bundle else []
        keys += read_jwks(server.jwks) if server.jwks else []
    except InvalidKeys as error:
        raise ConfigError(str(error)) from None
    return KeyRing(keys, server.algorithms or ALGORITHMS)
