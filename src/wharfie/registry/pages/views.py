"""What each page shows."""

from __future__ import annotations

import datetime
import json
from collections.abc import Sequence
from urllib.parse import quote

from wharfie.formats.units import binary_size
from wharfie.registry.documents import Document, Pointer
from wharfie.registry.errors import Refused
from wharfie.registry.pages.markup import Markup, element, joined, table
from wharfie.registry.ports import NoSuchKey
from wharfie.registry.storage import Content
from wharfie.registry.storage.tags import page

_TOP = "/ui/"
_MOST_CHILDREN = 50
_MOST_ROWS = 500
_MOST_TEXT = 256 << 10
_LONGEST = 1000


class Views:
    """Makes the inner part of pages; who may see them was decided before."""

    def __init__(self, content: Content) -> None:
        self._content = content

    def catalogue(self, names: Sequence[str], last: str) -> Markup:
        """Repositories; `last` "" when there are no more."""
        rows = [(element("a", name, href=_path(name)),) for name in names]
        body = table(("Repository",), rows) if rows else _none("Nothing is here to be seen.")
        if last:
            return joined(body, _more(f"{_TOP}?last={quote(last, safe='')}"))
        return body

    async def repository(self, name: str, last: str | None, limit: int) -> Markup:
        """Tags of a repository; NoSuchKey where it is none."""
        if not await self._content.catalogue.has(name):
            raise NoSuchKey(name)
        tags = await self._content.tags.all(name)
        found, more = page(tags, last or "", limit)
        rows = [await self._tag(name, tag) for tag in found]
        body = table(("Tag", "Kind", "Size", "Pushed", "Digest"), rows)
        if not rows:
            body = _none("No tags.")
        if more:
            return joined(body, _more(f"{_path(name)}?last={quote(found[-1], safe='')}"))
        return body

    async def manifest(self, name: str, digest: str) -> Markup:
        """A manifest or index with what it names and what names it; NoSuchKey."""
        found = await self._content.manifests.get(name, digest)
        try:
            document = await self._content.manifests.read(name, digest)
        except Refused as refused:
            return joined(_none(refused.message), _raw(found.data))
        facts = [
            ("Digest", element("code", digest)),
            ("Media type", found.media_type),
            ("Artifact type", document.artifact_type),
            ("Size", binary_size(await self._size(name, document, len(found.data)))),
            ("Tags", ", ".join(await self._content.tags.of(name, digest))),
        ]
        parts: list[str] = [table(("", ""), [(k, v) for k, v in facts if v])]
        if document.subject:
            parts += [element("h2", "Refers to"), _link(name, document.subject)]
        parts += await self._children(name, document)
        parts += _blobs(document)
        parts += await self._referrers(name, digest)
        parts += _annotations(document.annotations)
        return joined(*parts, element("h2", "Document"), _raw(found.data))

    async def _tag(self, name: str, tag: str) -> tuple[str, ...]:
        link = element("a", tag, href=_path(name, f":{tag}"))
        try:
            digest = await self._content.tags.get(name, tag)
            found = await self._content.manifests.get(name, digest)
            document = await self._content.manifests.read(name, digest)
            pushed = await self._content.tags.pushed(name, tag)
            size = await self._size(name, document, len(found.data))
        except (NoSuchKey, Refused):
            return (link, _none("cannot be read"), "", "", "")
        moment = datetime.datetime.fromtimestamp(pushed, datetime.UTC)
        return (
            link,
            _kind(document),
            binary_size(size),
            f"{moment:%Y-%m-%d %H:%M} UTC",
            element("code", digest[:19]),
        )

    async def _size(self, name: str, document: Document, own: int) -> int:
        """Bytes of all that is named; children that cannot be read count as announced."""
        total = own + sum(one.size for one in document.blobs)
        for number, child in enumerate(document.manifests):
            total += child.size
            if number >= _MOST_CHILDREN:
                continue
            try:
                inner = await self._content.manifests.read(name, child.digest)
            except (NoSuchKey, Refused):
                continue
            total += sum(one.size for one in inner.blobs)
        return total

    async def _children(self, name: str, document: Document) -> list[str]:
        if not document.manifests:
            return []
        rows: list[tuple[str, ...]] = []
        for child in document.manifests[:_MOST_ROWS]:
            is_here = await self._content.manifests.has(name, child.digest)
            shown = _link(name, child.digest) if is_here else element("code", child.digest)
            rows.append((shown, child.media_type, binary_size(child.size)))
        return [element("h2", "Manifests"), table(("Digest", "Media type", "Size"), rows)]

    async def _referrers(self, name: str, digest: str) -> list[str]:
        rows: list[tuple[str, ...]] = []
        for referrer in (await self._content.manifests.referrers(name, digest))[:_MOST_ROWS]:
            try:
                document = await self._content.manifests.read(name, referrer)
            except (NoSuchKey, Refused):
                continue
            size = sum(one.size for one in document.blobs)
            kind = document.artifact_type or document.media_type
            rows.append((_link(name, referrer), kind, binary_size(size)))
        if not rows:
            return []
        return [element("h2", "Referrers"), table(("Digest", "Artifact type", "Size"), rows)]


def _kind(document: Document) -> str:
    if document.manifests:
        return f"index of {len(document.manifests)}"
    return document.artifact_type.rpartition("/")[2] or "manifest"


def _blobs(document: Document) -> list[str]:
    if not document.blobs:
        return []
    rows = [_blob(one) for one in document.blobs[:_MOST_ROWS]]
    return [element("h2", "Blobs"), table(("Digest", "Media type", "Size"), rows)]


def _blob(pointer: Pointer) -> tuple[str, ...]:
    return (element("code", pointer.digest), pointer.media_type, binary_size(pointer.size))


def _annotations(annotations: dict[str, str]) -> list[str]:
    rows = [
        (element("code", key[:_LONGEST]), value[:_LONGEST])
        for key, value in sorted(annotations.items())[:_MOST_ROWS]
    ]
    return [element("h2", "Annotations"), table(("Name", "Value"), rows)] if rows else []


def _raw(data: bytes) -> Markup:
    try:
        text = json.dumps(json.loads(data), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        text = data.decode(errors="replace")
    return element("pre", text[:_MOST_TEXT])


def _path(name: str, rest: str = "") -> str:
    return _TOP + quote(name + rest, safe="/:@")


def _link(name: str, digest: str) -> Markup:
    return element("a", element("code", digest), href=_path(name, f"@{digest}"))


def _more(path: str) -> Markup:
    return element("p", element("a", "More", href=path))


def _none(text: str) -> Markup:
    return element("p", text, class_="none")
