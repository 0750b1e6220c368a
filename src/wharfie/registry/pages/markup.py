"""HTML that cannot be broken out of: text is escaped where it is put in, always.

`element("a", "<b>", href="/x")` is `<a href="/x">&lt;b&gt;</a>`. Only what `element` itself made is
put in as it is. Links lead to paths of this server or nowhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

_VOID = frozenset({"link", "meta", "input", "br"})
_LINKS = frozenset({"href", "action", "src"})


class Markup(str):
    """Text that is HTML already; made here alone."""

    __slots__ = ()


def element(name: str, /, *children: str, **attributes: str) -> Markup:
    """An element; `class_` is `class`.

    Raises:
        ValueError: a link that would leave this server.
    """
    parts = [f"<{name}"]
    for key, value in attributes.items():
        word = key.rstrip("_").replace("_", "-")
        if word in _LINKS and not (value.startswith("/") and value[1:2] not in ("/", "\\")):
            raise ValueError(f"not a path of this server: {value[:100]!r}")
        parts.append(f' {word}="{escape(value, quote=True)}"')
    parts.append(">")
    if name in _VOID:
        return Markup("".join(parts))
    return Markup("".join([*parts, joined(*children), f"</{name}>"]))


def joined(*children: str) -> Markup:
    """Several pieces in a row."""
    return Markup("".join(one if isinstance(one, Markup) else _visible(one) for one in children))


def _visible(text: str) -> str:
    """Escaped, and with signs that change what stands around them made visible."""
    shown = "".join(
        char if char.isprintable() or char == "\n" else f"\\u{ord(char):04x}" for char in text
    )
    return escape(shown, quote=True)


def table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> Markup:
    """A table."""
    return element(
        "table",
        element("thead", element("tr", *(element("th", text) for text in head))),
        element("tbody", *(element("tr", *(element("td", cell) for cell in row)) for row in rows)),
    )
