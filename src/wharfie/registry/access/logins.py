"""Logins: from the fields of a request to the one who sent it.

Authorization: Basic …     an account of the htpasswd file
Authorization: Bearer …    a token, of our own endpoint or of another server
no such field              the client's certificate, else nobody
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping, Sequence

from msgspec import Struct

from wharfie.model.caller import Caller
from wharfie.registry.access.htpasswd import Accounts, Busy
from wharfie.registry.access.limits import (
    Limits,
    Network,
    TooMany,
    bucket_of,
    client_of,
    is_trusted,
)
from wharfie.registry.access.rules import NOBODY, Kind, Principal, Rules
from wharfie.registry.access.tokens import Claims, TokenRefused, Verifier
from wharfie.registry.errors import Code, Refused
from wharfie.registry.ports import Asking

_PART = re.compile(r"([A-Za-z0-9.]+)=((?:[^,+\\]|\\.)*)(?:[,+]|$)", re.DOTALL)
_MAX_FIELD = 32 << 10


class LoginRefused(Exception):
    """Credentials that do not count.

    Attributes:
        is_token: they were a token.
    """

    def __init__(self, message: str, *, is_token: bool = False) -> None:
        super().__init__(message)
        self.is_token = is_token


class Login(Struct, frozen=True):
    """Who a request is from; `claims` are those of its token."""

    principal: Principal
    claims: Claims | None = None


class Logins:
    """Finds out who a request is from.

    Args:
        accounts: None where there are none.
        verifier: of bearer tokens, None where there are none.
        limits: on requests and failed logins.
        trusted: networks of reverse proxies whose X-Forwarded-For is believed.
        rules: know the certificates that count.
    """

    def __init__(
        self,
        accounts: Accounts | None,
        verifier: Verifier | None,
        limits: Limits,
        trusted: Sequence[Network],
        rules: Rules,
    ) -> None:
        self._rules = rules
        self._accounts = accounts
        self._verifier = verifier
        self._limits = limits
        self._trusted = trusted

    def client(self, caller: Caller, headers: Mapping[str, str]) -> str:
        """The address of the client, behind trusted proxies too."""
        return client_of(caller.address, headers.get("x-forwarded-for", ""), self._trusted)

    def is_secure(self, asking: Asking) -> bool:
        """Tell whether the client speaks TLS, perhaps to a trusted proxy before us."""
        told = asking.headers.get("x-forwarded-proto", "").lower()
        if told in ("http", "https") and is_trusted(asking.caller.address, self._trusted):
            return told == "https"
        return asking.is_secure

    async def identify(self, caller: Caller, headers: Mapping[str, str], client: str) -> Login:
        """Tell who sends a request.

        Raises:
            LoginRefused: the credentials do not count.
            Refused: too many failed, or too many are being checked.
        """
        field = headers.get("authorization", "")
        scheme, _, rest = field.strip().partition(" ")
        if not field:
            principal = _of_certificate(caller)
            return Login(principal if self._rules.knows(principal) else NOBODY)
        if scheme.lower() == "basic" and self._accounts is not None:
            name, password = _parse_basic(rest)
            return Login(await self.log_in(name, password, client))
        if scheme.lower() == "bearer" and self._verifier is not None:
            return self._of_token(self._verifier, rest.strip())
        raise LoginRefused("authentication required")

    async def log_in(self, name: str, password: str, client: str) -> Principal:
        """The account of a name and password.

        Raises:
            LoginRefused: there is none.
            Refused: too many failed, or too many are being checked.
        """
        accounts, bucket = self._accounts, bucket_of(client)
        if accounts is None:
            raise LoginRefused("authentication required")
        try:
            if not accounts.is_remembered(name, password):
                self._limits.before_login(bucket, name)
            is_right = await accounts.check(name, password)
        except TooMany as error:
            raise too_many(str(error), error.retry_after) from None
        except Busy as error:
            raise too_many(str(error), 5) from None
        if not is_right:
            self._limits.failed(bucket, name)
            raise LoginRefused("incorrect username or password")
        return Principal(Kind.ACCOUNT, name)

    def _of_token(self, verifier: Verifier, text: str) -> Login:
        try:
            claims = verifier.verify(text)
        except TokenRefused as error:
            raise LoginRefused(str(error), is_token=True) from None
        return Login(of_subject(claims.sub), claims)


def of_subject(subject: str) -> Principal:
    """Who a token is for."""
    if subject.startswith("cert:"):
        return Principal(Kind.CERTIFICATE, subject.removeprefix("cert:"))
    return Principal(Kind.ACCOUNT, subject) if subject else NOBODY


def too_many(message: str, retry_after: int) -> Refused:
    """The refusal of what comes too often."""
    return Refused(Code.TOOMANYREQUESTS, message, headers=[("Retry-After", str(retry_after))])


def _of_certificate(caller: Caller) -> Principal:
    """The principal of a verified client certificate: its (most specific) common name."""
    position = 0
    # From the beginning, part by part: another part's text may hold an escaped ",CN=".
    while found := _PART.match(caller.subject, position):
        if found[1] == "CN" and found[2]:
            return Principal(Kind.CERTIFICATE, re.sub(r"\\(.)", r"\1", found[2]))
        if found.end() == position:
            break
        position = found.end()
    return NOBODY


def _parse_basic(text: str) -> tuple[str, str]:
    if len(text) > _MAX_FIELD:
        raise LoginRefused("malformed credentials")
    try:
        decoded = base64.b64decode(text.strip(), validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        raise LoginRefused("malformed credentials") from None
    name, colon, password = decoded.partition(":")
    if not colon or not name:
        raise LoginRefused("malformed credentials")
    return name, password
