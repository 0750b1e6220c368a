"""The gate: what a request may do. Implements `ports.Access`.

What a token says is all its bearer may do; for everybody else the rules decide. Who is not known
and may not is challenged (401); who is known and may not is refused (403), unless another token
might do, which the challenge then names.

Source: Docker registry v2, "Token Authentication Specification"; RFC 6750 section 3.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from wharfie.registry.access.limits import Limits, TooMany, bucket_of
from wharfie.registry.access.logins import Login, LoginRefused, Logins, too_many
from wharfie.registry.access.rules import Kind, Rules
from wharfie.registry.access.scopes import CATALOGUE, Scope
from wharfie.registry.errors import Code, Refused
from wharfie.registry.ports import Action, Ask, Asking, Decision


class Challenges(Struct, frozen=True, kw_only=True):
    """How clients are told to log in.

    Attributes:
        realm: of Basic, or the URL of the token server; a path is completed with what the
            client called this server. "" where there is nothing to log in with.
        service: of tokens; "" for Basic.
    """

    realm: str = ""
    service: str = ""

    def field(
        self, asks: Sequence[Ask], error: str = "", *, scheme: str, host: str
    ) -> tuple[str, str]:
        """The WWW-Authenticate field.

        Args:
            asks: what is missing.
            error: why what was shown does not do.
            scheme: "http" or "https", as the client sees it.
            host: what the client called this server.
        """
        if not self.service:
            return ("WWW-Authenticate", f'Basic realm="{_quoted(self.realm)}"')
        realm = self.realm
        if realm.startswith("/"):
            realm = f"{scheme}://{host}{realm}"
        text = f'Bearer realm="{_quoted(realm)}",service="{_quoted(self.service)}"'
        if asks:
            text += f',scope="{_quoted(" ".join(str(one) for one in _scopes(asks)))}"'
        if error:
            text += f',error="{error}"'
        return ("WWW-Authenticate", text)


class Gate:
    """Decides. See `ports.Access`.

    Args:
        logins: tell who asks.
        rules: say what callers without token may.
        limits: on requests.
        challenges: how to log in.
        is_issuer: tokens are our own, so that rules know their bearers.
    """

    def __init__(
        self,
        logins: Logins,
        rules: Rules,
        limits: Limits,
        challenges: Challenges,
        *,
        is_issuer: bool,
    ) -> None:
        self._logins = logins
        self._rules = rules
        self._limits = limits
        self._challenges = challenges
        self._is_issuer = is_issuer

    async def decide(self, asking: Asking, asks: Sequence[Ask]) -> Decision:
        """Let a request go on."""
        client = self._logins.client(asking.caller, asking.headers)
        try:
            self._limits.ask(bucket_of(client))
        except TooMany as error:
            raise too_many(str(error), error.retry_after) from None
        try:
            login = await self._logins.identify(asking.caller, asking.headers, client)
        except LoginRefused as error:
            why = "invalid_token" if error.is_token else ""
            raise self._challenge(asking, asks, str(error), why) from None
        if not asks:
            self._check_base(asking, login)
        granted = [ask for ask in asks if self._may(login, ask)]
        missing = [ask for ask in asks if ask not in granted and not ask.is_optional]
        if missing:
            raise self._refusal(asking, asks, login)
        return Decision(login.principal.identity, granted)

    async def visible(self, asking: Asking, repositories: Sequence[str]) -> Sequence[str]:
        """Of a page of the catalogue, what this client may pull."""
        client = self._logins.client(asking.caller, asking.headers)
        try:
            login = await self._logins.identify(asking.caller, asking.headers, client)
        except LoginRefused:
            return []
        if login.claims is not None and not self._is_issuer:
            # Another server's `registry:catalog:*` stands for all of it; it alone knows its users.
            return list(repositories) if login.claims.grants(*CATALOGUE, "*") else []
        principal = login.principal
        return [
            name for name in repositories if Action.PULL in self._rules.allowed(principal, name)
        ]

    def _check_base(self, asking: Asking, login: Login) -> None:
        """`GET /v2/` is where clients learn how to log in: it lets nobody pass who could."""
        if login.principal.kind is not Kind.ANONYMOUS or login.claims is not None:
            return
        if self._challenges.realm:
            raise self._challenge(asking, (), "authentication required")

    def _may(self, login: Login, ask: Ask) -> bool:
        if login.claims is not None:
            if ask.action is Action.CATALOGUE:
                return login.claims.grants(*CATALOGUE, "*")
            return login.claims.grants("repository", ask.repository, ask.action)
        if ask.action is Action.CATALOGUE:
            # The list holds what the caller may pull, and nothing else: see `visible`.
            return login.principal.kind is not Kind.ANONYMOUS or self._rules.admits_anybody()
        return ask.action in self._rules.allowed(login.principal, ask.repository)

    def _refusal(self, asking: Asking, asks: Sequence[Ask], login: Login) -> Refused:
        if login.claims is not None:
            return self._challenge(asking, asks, "requested access is denied", "insufficient_scope")
        if login.principal.kind is Kind.ANONYMOUS and self._challenges.realm:
            return self._challenge(asking, asks, "authentication required")
        text = "requested access to the resource is denied"
        return Refused(Code.DENIED, text, detail=_detail(asks))

    def _challenge(
        self, asking: Asking, asks: Sequence[Ask], message: str, error: str = ""
    ) -> Refused:
        headers = []
        if self._challenges.realm:
            scheme = "https" if self._logins.is_secure(asking) else "http"
            field = self._challenges.field(asks, error, scheme=scheme, host=asking.host)
            headers.append(field)
        return Refused(Code.UNAUTHORIZED, message, detail=_detail(asks), headers=headers)


def _scopes(asks: Sequence[Ask]) -> list[Scope]:
    """The scopes of some asks, one a repository."""
    found: dict[tuple[str, str], list[str]] = {}
    for ask in asks:
        is_list = ask.action is Action.CATALOGUE
        key = CATALOGUE if is_list else ("repository", ask.repository)
        found.setdefault(key, []).append(str(ask.action))
    return [Scope(*key, list(dict.fromkeys(actions))) for key, actions in found.items()]


def _detail(asks: Sequence[Ask]) -> object:
    """As Docker's registry tells it: one entry an action."""
    return [
        {"Type": scope.type, "Class": "", "Name": scope.name, "Action": action}
        for scope in _scopes(asks)
        for action in scope.actions
    ] or None


def _quoted(text: str) -> str:
    """Fit for a quoted string of a field: what a Host field may smuggle in is cut out."""
    return "".join(char for char in text if " " <= char <= "~" and char not in '"\\')
