"""The registry's own token endpoint: passwords, refresh tokens and certificates to bearer tokens.

    GET  /auth/token?service=&scope=&account=&offline_token=true   with Basic, or nobody
    POST /auth/token   grant_type=password | refresh_token, service, scope, username, password …

A token holds of the scopes asked for what the rules allow, which may be nothing.
Source: Docker registry v2, "Token Authentication Specification", "OAuth2 Token Authentication".
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from urllib.parse import parse_qsl

import msgspec

from wharfie.registry.access.htpasswd import Accounts
from wharfie.registry.access.limits import Limits, TooMany, bucket_of
from wharfie.registry.access.logins import Login, LoginRefused, Logins, of_subject, too_many
from wharfie.registry.access.rules import NOBODY, Kind, Principal, Rules
from wharfie.registry.access.scopes import CATALOGUE, Scope, parse_scopes
from wharfie.registry.access.tokens import Issuer, TokenRefused
from wharfie.registry.errors import Code, Refused
from wharfie.registry.ports import Action
from wharfie.web.reply import Reply, Response, encode_fields
from wharfie.web.request import Request

TOKEN_PATH = "/auth/token"  # noqa: S105 - a path
_MOST_FIELDS = 80
_LARGEST_FORM = 64 << 10
_PRIVATE = encode_fields(("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff"))

Fields = Mapping[str, Sequence[str]]


class TokenEndpoint:
    """Answers requests for tokens.

    Args:
        issuer: issues them.
        logins: check passwords.
        accounts: of the htpasswd file, None where there are none.
        rules: say what they may hold.
        limits: on requests.
    """

    def __init__(
        self,
        issuer: Issuer,
        logins: Logins,
        accounts: Accounts | None,
        rules: Rules,
        limits: Limits,
    ) -> None:
        self._issuer = issuer
        self._logins = logins
        self._accounts = accounts
        self._rules = rules
        self._limits = limits

    async def answer(self, request: Request) -> Reply:
        """See `ports.Page`.

        Raises:
            Refused: no token.
        """
        client = self._logins.client(request.caller, request.headers)
        try:
            self._limits.ask(bucket_of(client))
            if request.method == "GET":
                return await self._get(request, client)
            if request.method == "POST":
                return await self._post(request, client)
        except TooMany as error:
            raise too_many(str(error), error.retry_after) from None
        except LoginRefused as error:
            challenge = ("WWW-Authenticate", 'Basic realm="token"')
            raise Refused(Code.UNAUTHORIZED, str(error), headers=[challenge]) from None
        return Response(405, headers=encode_fields(("Allow", "GET, POST")))

    async def _get(self, request: Request, client: str) -> Response:
        fields = _fields(request.query)
        self._check_service(fields)
        if request.headers.get("authorization", "").lower().startswith("bearer"):
            raise LoginRefused("a token does not get another token")
        login = await self._logins.identify(request.caller, request.headers, client)
        self._check_somebody(login)
        refresh = ""
        if _first(fields, "offline_token") == "true" and login.principal.kind is Kind.ACCOUNT:
            refresh = self._refresh(login.principal)
        return self._token(login.principal, parse_scopes(fields.get("scope", ())), refresh)

    async def _post(self, request: Request, client: str) -> Response:
        body = await request.body.read(limit=_LARGEST_FORM, timeout=30.0)
        fields = _fields(body.decode("latin-1"))
        self._check_service(fields)
        grant, refresh = _first(fields, "grant_type"), ""
        if grant == "password":
            principal = await self._logins.log_in(
                _first(fields, "username"), _first(fields, "password"), client
            )
            if _first(fields, "access_type") == "offline":
                refresh = self._refresh(principal)
        elif grant == "refresh_token":
            refresh = _first(fields, "refresh_token")
            principal = self._of_refresh(refresh)
        else:
            raise Refused(Code.UNSUPPORTED, "grant_type is neither password nor refresh_token")
        return self._token(principal, parse_scopes(fields.get("scope", ())), refresh)

    def _check_service(self, fields: Fields) -> None:
        service = _first(fields, "service")
        if service and service != self._issuer.service:
            raise Refused(Code.DENIED, "tokens for that service are not issued here")

    def _check_somebody(self, login: Login) -> None:
        if login.principal.kind is Kind.ANONYMOUS and not self._rules.admits_anybody():
            raise LoginRefused("authentication required")

    def _of_refresh(self, text: str) -> Principal:
        try:
            claims = self._issuer.read_refresh(text)
        except TokenRefused as error:
            raise LoginRefused(str(error)) from None
        principal = of_subject(claims.sub)
        if self._accounts is None or principal == NOBODY:
            raise LoginRefused("the refresh token is of no account")
        self._accounts.reload()
        if not claims.stamp or self._accounts.fingerprint(principal.name) != claims.stamp:
            raise LoginRefused("the account of the refresh token is gone or has another password")
        return principal

    def _refresh(self, principal: Principal) -> str:
        assert self._accounts is not None
        return self._issuer.refresh(str(principal), self._accounts.fingerprint(principal.name))

    def _token(self, principal: Principal, scopes: Sequence[Scope], refresh: str) -> Response:
        access = [one for scope in scopes if (one := self._granted(principal, scope)) is not None]
        text = self._issuer.issue(str(principal), access)
        issued = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        document: dict[str, object] = {
            "token": text,
            "access_token": text,
            "expires_in": int(self._issuer.life),
            "issued_at": issued,
            "scope": " ".join(str(one) for one in access),
        }
        if refresh:
            document["refresh_token"] = refresh
        return Response(200, msgspec.json.encode(document), "application/json", _PRIVATE)

    def _granted(self, principal: Principal, scope: Scope) -> Scope | None:
        if (scope.type, scope.name) == CATALOGUE:
            may = principal.kind is not Kind.ANONYMOUS or self._rules.admits_anybody()
            return Scope(*CATALOGUE, ["*"]) if may and "*" in scope.actions else None
        if scope.type != "repository":
            return None
        allowed = self._rules.allowed(principal, scope.name)
        everything = "*" in scope.actions
        ordered = (Action.PULL, Action.PUSH, Action.DELETE)
        actions = [str(a) for a in ordered if a in allowed and (everything or a in scope.actions)]
        return Scope("repository", scope.name, actions) if actions else None


def _fields(text: str) -> Fields:
    found: dict[str, list[str]] = {}
    try:
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=_MOST_FIELDS)
    except ValueError:
        raise Refused(Code.UNSUPPORTED, "too many fields") from None
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    return found


def _first(fields: Fields, name: str) -> str:
    return next(iter(fields.get(name, ())), "")
