"""The pages, and who may see them.

    /ui/                      repositories          /ui/?last=NAME   from there on
    /ui/NAME                  its tags              /ui/?login       asks for a password
    /ui/NAME:TAG              one manifest          /ui/style.css
    /ui/NAME@DIGEST

Everything a stranger has pushed (annotations, media types, names of files) is text here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from urllib.parse import parse_qsl, unquote

from wharfie.registry.errors import Code, Refused
from wharfie.registry.names import check_digest, check_repository, check_tag
from wharfie.registry.pages.markup import Markup, element, joined
from wharfie.registry.pages.style import STYLE
from wharfie.registry.pages.views import Views
from wharfie.registry.ports import ANONYMOUS, Access, Action, Ask, Asking, Identity, NoSuchKey
from wharfie.registry.storage import Content
from wharfie.registry.storage.tags import page
from wharfie.web.reply import Response, encode_fields
from wharfie.web.request import Request

TOP = "/ui/"
_PAGE = 100
_HTML = "text/html; charset=utf-8"
_SAFE = (
    (
        "Content-Security-Policy",
        "default-src 'none'; style-src 'self'; img-src 'none'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'",
    ),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
)
_PRIVATE = encode_fields(*_SAFE, ("Cache-Control", "no-store"))
_STATUSES = {
    Code.UNAUTHORIZED: 401,
    Code.DENIED: 403,
    Code.TOOMANYREQUESTS: 429,
    Code.UNAVAILABLE: 503,
}


class Browsing:
    """Answers requests for pages.

    Args:
        content: what is shown.
        access: who may see what.
        realm: of passwords, "" where there are none to log in with.
        hides: see `ports.Upstream`.
    """

    def __init__(
        self,
        content: Content,
        access: Access,
        *,
        realm: str,
        hides: Callable[[Identity, str], bool],
    ) -> None:
        self._hides = hides
        self._content = content
        self._access = access
        self._realm = "".join(char for char in realm if " " <= char <= "~" and char not in '"\\')
        self._views = Views(content)

    async def front(self, request: Request) -> Response:
        """Answer `/`: the pages begin elsewhere."""
        if request.path != "/":
            raise Refused(Code.NAME_UNKNOWN, "nothing is served here: the API is below /v2/")
        return Response(302, headers=encode_fields(("Location", TOP), *_SAFE))

    async def answer(self, request: Request) -> Response:
        """See `ports.Page`."""
        if request.method not in ("GET", "HEAD"):
            return Response(405, headers=encode_fields(("Allow", "GET, HEAD"), *_SAFE))
        if request.path == f"{TOP}style.css":
            fields = encode_fields(*_SAFE, ("Cache-Control", "max-age=3600"))
            return Response(200, STYLE.encode(), "text/css; charset=utf-8", fields)
        identity = ANONYMOUS
        try:
            title, body, identity = await self._page(request)
        except NoSuchKey:
            return self._reply(404, "Not found", element("p", "There is no such thing."), identity)
        except Refused as refused:
            return self._refusal(refused)
        return self._reply(200, title, body, identity)

    async def _page(self, request: Request) -> tuple[str, Markup, Identity]:
        word = unquote(request.path.removeprefix(TOP).rstrip("/"))
        asking = _asking(request)
        if not word:
            return await self._front(request, asking)
        name, _, digest = word.partition("@")
        name, _, tag = name.partition(":")
        check_repository(name)
        decision = await self._access.decide(asking, [Ask(Action.PULL, name)])
        if self._hides(decision.identity, name):
            raise Refused(Code.DENIED, "requested access to the resource is denied")
        if digest:
            body = await self._views.manifest(name, check_digest(digest))
        elif tag:
            found = await self._content.tags.get(name, check_tag(tag))
            body = await self._views.manifest(name, found)
        else:
            body = await self._views.repository(name, _parameter(request, "last"), _PAGE)
        return word, body, decision.identity

    async def _front(self, request: Request, asking: Asking) -> tuple[str, Markup, Identity]:
        decision = await self._access.decide(asking, [Ask(Action.CATALOGUE, "")])
        if _parameter(request, "login") is not None and decision.identity.is_anonymous:
            raise Refused(Code.UNAUTHORIZED, "log in")
        names = await self._content.catalogue.all()
        found, more = page(names, _parameter(request, "last") or "", _PAGE)
        allowed = await self._access.visible(asking, found)
        shown = [name for name in allowed if not self._hides(decision.identity, name)]
        last = found[-1] if more else ""
        return "Repositories", self._views.catalogue(shown, last), decision.identity

    def _refusal(self, refused: Refused) -> Response:
        status = _STATUSES.get(refused.code, 404)
        fields = [*_SAFE, ("Cache-Control", "no-store")]
        if status == 401 and self._realm:
            # Browsers know passwords; what the API says of tokens is not for them.
            fields.append(("WWW-Authenticate", f'Basic realm="{self._realm}"'))
        fields += [one for one in refused.headers if one[0] == "Retry-After"]
        body = element("p", refused.message)
        return Response(
            status, _document(refused.message, body, ()).encode(), _HTML, encode_fields(*fields)
        )

    def _reply(self, status: int, title: str, body: Markup, identity: Identity) -> Response:
        links: list[Markup] = []
        if not identity.is_anonymous:
            links.append(element("span", identity.name))
        elif self._realm:
            links.append(element("a", "Log in", href=f"{TOP}?login"))
        return Response(status, _document(title, body, links).encode(), _HTML, _PRIVATE)


def _document(title: str, body: Markup, links: Sequence[Markup]) -> str:
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", title),
        element("link", rel="stylesheet", href=f"{TOP}style.css"),
    )
    top = element("header", element("b", element("a", "Registry", href=TOP)), *links)
    main = element("main", element("h1", title), body)
    whole = element("html", head, element("body", top, main), lang="en")
    return "<!doctype html>\n" + joined(whole) + "\n"


def _asking(request: Request) -> Asking:
    return Asking(
        caller=request.caller,
        method=request.method,
        path=request.path,
        headers=request.headers,
        host=request.headers.get("host", ""),
        is_secure=request.caller.transport == "tls",
    )


def _parameter(request: Request, name: str) -> str | None:
    try:
        pairs = parse_qsl(request.query, keep_blank_values=True, max_num_fields=16)
    except ValueError:
        return None
    return next((value for key, value in pairs if key == name), None)
