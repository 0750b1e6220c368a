"""Bearer tokens: those another server issues are checked, those of our own endpoint also issued.

    payload = iss (who issued it), sub (for whom; "" for anybody), aud (for which service),
              exp, nbf, iat (seconds since the epoch), jti, access (list of scopes)

A refresh token is one for another audience and without scopes; so neither passes for the other.
Source: RFC 7519 section 4; Docker registry v2, "Token Authentication Implementation".
"""

from __future__ import annotations

import hashlib
import secrets
from collections import OrderedDict
from collections.abc import Callable, Sequence

import msgspec
from msgspec import Struct, field

from wharfie.formats.jws import JwsError, parse_jws
from wharfie.registry.access.keys import BadSignature, KeyRing, Signer
from wharfie.registry.access.scopes import Scope

_LEEWAY = 60.0
_MOST_REMEMBERED = 4096
_REFRESH = "#refresh"


class TokenRefused(ValueError):
    """A token that does not count; the text says why, and nothing of what is in it."""


class Claims(Struct, frozen=True):
    """The payload of a token.

    Attributes:
        stamp: changes with the password a refresh token was given for.
    """

    iss: str
    aud: str | list[str]
    exp: float
    sub: str = ""
    nbf: float = 0.0
    iat: float = 0.0
    jti: str = ""
    access: list[Scope] = field(default_factory=list)
    stamp: str = ""

    def grants(self, kind: str, name: str, action: str) -> bool:
        """Tell whether an action is among the scopes."""
        return any(
            scope.type == kind and scope.name == name and action in scope.actions
            for scope in self.access
        )


class Verifier:
    """Checks tokens.

    Args:
        keys: that count.
        issuer: whose tokens count.
        service: they must be for.
        clock: seconds since the epoch.
    """

    def __init__(
        self, keys: KeyRing, *, issuer: str, service: str, clock: Callable[[], float]
    ) -> None:
        self._keys = keys
        self._issuer = issuer
        self._service = service
        self._clock = clock
        self._verified: OrderedDict[bytes, Claims] = OrderedDict()

    def adopt(self, keys: KeyRing) -> None:
        """Take other keys from now on."""
        self._keys = keys
        self._verified.clear()

    def verify(self, text: str) -> Claims:
        """The claims of a token.

        Raises:
            TokenRefused: signature, issuer, audience or times.
        """
        name = hashlib.sha256(text.encode("latin-1", "replace")).digest()
        claims = self._verified.get(name)
        if claims is None:
            claims = self._read(text)
        self._check_times(claims)
        self._verified[name] = claims
        if len(self._verified) > _MOST_REMEMBERED:
            self._verified.popitem(last=False)
        return claims

    def _read(self, text: str) -> Claims:
        try:
            jws = parse_jws(text)
            self._keys.verify(jws)
            claims = msgspec.json.decode(jws.payload, type=Claims)
        except (JwsError, BadSignature) as error:
            raise TokenRefused(str(error)) from None
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            raise TokenRefused("the token's claims are malformed") from None
        if claims.iss != self._issuer:
            raise TokenRefused("the token has another issuer")
        audience = [claims.aud] if isinstance(claims.aud, str) else claims.aud
        if self._service not in audience:
            raise TokenRefused("the token is for another service")
        return claims

    def _check_times(self, claims: Claims) -> None:
        now = self._clock()
        if now >= claims.exp + _LEEWAY:
            raise TokenRefused("the token has expired")
        if now < claims.nbf - _LEEWAY:
            raise TokenRefused("the token is not valid yet")


class Issuer:
    """Issues tokens of our own.

    Args:
        signer: signs them.
        name: of the issuer.
        service: they are for.
        life: seconds a token lasts.
        refresh_life: seconds a refresh token lasts.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        signer: Signer,
        *,
        name: str,
        service: str,
        life: float,
        refresh_life: float,
        clock: Callable[[], float],
    ) -> None:
        self._signer = signer
        self._name = name
        self.service = service
        self.life = life
        self._refresh_life = refresh_life
        self._clock = clock
        ring = KeyRing([signer.trusted], ["ES256"])
        self.verifier = Verifier(ring, issuer=name, service=service, clock=clock)
        self._refreshes = Verifier(ring, issuer=name, service=service + _REFRESH, clock=clock)

    def issue(self, subject: str, access: Sequence[Scope]) -> str:
        """A token for somebody ("" for anybody)."""
        return self._sign(subject, self.service, self.life, list(access), "")

    def refresh(self, subject: str, fingerprint: str) -> str:
        """A token to keep in the place of a password; dies with the password it was given for."""
        return self._sign(subject, self.service + _REFRESH, self._refresh_life, [], fingerprint)

    def read_refresh(self, text: str) -> Claims:
        """The claims of a refresh token; whether its account still stands is not known here.

        Raises:
            TokenRefused: it does not count.
        """
        return self._refreshes.verify(text)

    def _sign(
        self, subject: str, audience: str, life: float, access: list[Scope], fingerprint: str
    ) -> str:
        now = int(self._clock())
        claims = Claims(
            iss=self._name,
            sub=subject,
            aud=audience,
            exp=now + int(life),
            nbf=now,
            iat=now,
            jti=secrets.token_urlsafe(12),
            access=access,
            stamp=fingerprint,
        )
        return self._signer.sign(msgspec.json.encode(claims))
