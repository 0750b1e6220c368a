"""What a registry's refusal means: status and error document to an error in Docker's words.

Source: OCI distribution specification, "Error Codes"; behaviours 130, 133; Docker's registry
client words an error as `code: message`, the code in lower case with spaces.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct, field

from wharfie.formats.authenticate import parse_challenges
from wharfie.formats.oci.document import DocumentError, decode

_MAX_TEXT = 300
_TEXTS = {
    "DENIED": "requested access to the resource is denied",
    "UNAUTHORIZED": "authentication required",
}


class _Item(Struct, frozen=True):
    code: str = ""
    message: str = ""
    detail: object = None


class _Document(Struct, frozen=True):
    errors: list[_Item] = field(default_factory=list)
    details: str = ""
    message: str = ""


class Refused(Exception):
    """A reply that says no.

    Attributes:
        status: HTTP status.
        code: of the first error, "MANIFEST_UNKNOWN", "" for none.
        retry_after: seconds the registry asks to wait, None for no word about it.
    """

    def __init__(self, status: int, code: str, text: str, retry_after: float | None = None) -> None:
        super().__init__(text)
        self.status = status
        self.code = code
        self.retry_after = retry_after

    @property
    def is_passing(self) -> bool:
        """Another try may succeed."""
        return self.status >= 500 or self.status in (408, 429)


def refusal(status: int, headers: Mapping[str, str], body: bytes, url: str) -> Refused:
    """Read a reply that is none of those hoped for."""
    wait = headers.get("retry-after", "")
    retry_after = float(wait) if wait.isdigit() and len(wait) < 5 else None
    try:
        document = decode(body, _Document, what="error")
    except DocumentError:
        document = _Document()
    items = [item for item in document.errors if item.code or item.message]
    challenges = parse_challenges(headers.get("www-authenticate", ""))
    if status == 401 and any(
        challenge.parameters.get("error") == "insufficient_scope" for challenge in challenges
    ):
        return Refused(status, "DENIED", _spell("DENIED", ""))
    if items:
        text = "\n".join(_spell(item.code, item.message) for item in items[:5])
        return Refused(status, items[0].code.upper(), text, retry_after)
    if status == 401:
        text = f"unauthorized: {document.details or document.message or _TEXTS['UNAUTHORIZED']}"
        return Refused(status, "UNAUTHORIZED", _clean(text))
    if status == 403:
        return Refused(status, "DENIED", _spell("DENIED", document.message))
    if status == 429:
        text = _clean(document.message) or "You have reached your pull rate limit"
        return Refused(status, "TOOMANYREQUESTS", f"toomanyrequests: {text}", retry_after)
    word = f": {_clean(body.decode(errors='replace'))}" if body.strip() else ""
    text = f"unexpected status from {url}: {status}{word}"
    return Refused(status, "", text, retry_after)


def _spell(code: str, message: str) -> str:
    words = _clean(code).lower().replace("_", " ") or "unknown"
    return f"{words}: {_clean(message) or _TEXTS.get(code.upper(), words)}"


def _clean(text: str) -> str:
    """A stranger's text, fit for a terminal."""
    short = text.strip()[:_MAX_TEXT]
    return "".join(char if char.isprintable() else " " for char in short)
