"""Request bodies by Go's lenient rules: the one place that levels Go's JSON and msgspec's.

Go accepts keys in any case and null for anything, ignores unknown keys, and takes a string
where a list of words is meant. So a document is first read as plain values, then straightened
along the type it is to become, then converted. Source: api.md §2; moby's httputils.ReadJSON.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from email.message import Message
from typing import TypeVar

import msgspec
from msgspec import inspect

from wharfie.model.errors import InvalidArgument

T = TypeVar("T")
Document = dict[str, object]
MAX_BODY = 8 * 1024 * 1024
BODY_TIMEOUT = 60.0
_WORDS = frozenset({"Cmd", "Entrypoint", "Shell", "CapAdd", "CapDrop"})
_DECODER = msgspec.json.Decoder()
_BEHIND = re.compile(r"JSON is malformed: trailing characters")
_Straighten = Callable[[object], object]
_STRAIGHTENERS: dict[type, _Straighten] = {}


def check_content_type(value: str, *, has_body: bool) -> None:
    """Refuse a body that does not say it is JSON; without a body nothing needs to be said."""
    if not value and not has_body:
        return
    message = Message()
    message["Content-Type"] = value
    if message.get_content_type() != "application/json" or "/" not in value:
        raise InvalidArgument(
            f"unsupported Content-Type header ({value}): must be 'application/json'"
        )


def check_content_encoding(value: str) -> None:
    """Refuse a body that says it is compressed: others on its way may have believed it."""
    if value.strip().lower() not in ("", "identity"):
        raise InvalidArgument(f"unsupported Content-Encoding header ({value[:80]})")


def parse_document(data: bytes) -> Document:
    """Parse a body that has to be a JSON object; null counts as an empty one.

    Raises:
        InvalidArgument: empty, malformed, followed by more, or no object.
    """
    if not data.strip():
        raise InvalidArgument("invalid JSON: got EOF while reading request body")
    try:
        value = _DECODER.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        if _BEHIND.match(str(error)):
            raise InvalidArgument("unexpected content after JSON") from None
        raise InvalidArgument(f"invalid JSON: {error}") from None
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InvalidArgument(f"invalid JSON: expected an object, got {type(value).__name__}")
    return value


def field(document: Mapping[str, object], name: str) -> object:
    """A member by its name in any case; the last one wins, as in Go."""
    wanted = name.lower()
    found: object = None
    for key, value in document.items():
        if key.lower() == wanted:
            found = value
    return found


def convert(document: object, kind: type[T]) -> T:
    """Straighten a document and make it a `kind`.

    Raises:
        InvalidArgument: a value of the wrong type.
    """
    try:
        return msgspec.convert(_straightener(kind)(document), kind)
    except msgspec.ValidationError as error:
        raise InvalidArgument(f"invalid JSON: {error}") from None
    except RecursionError:
        raise InvalidArgument("invalid JSON: nested too deeply") from None


def _straightener(kind: type[T]) -> _Straighten:
    made = _STRAIGHTENERS.get(kind)
    if made is None:
        made = _STRAIGHTENERS[kind] = _for(inspect.type_info(kind))
    return made


def _for(info: inspect.Type) -> _Straighten:
    match info:
        case inspect.StructType():
            return _for_struct(info)
        case inspect.DictType():
            return _for_dict(info)
        case inspect.ListType():
            return _for_list(info.item_type)
        case inspect.UnionType():
            inner = [one for one in info.types if not isinstance(one, inspect.NoneType)]
            return _for(inner[0]) if len(inner) == 1 else _same
        case _:
            return _same


def _same(value: object) -> object:
    return value


def _for_struct(info: inspect.StructType) -> _Straighten:
    fields: dict[str, _Straighten] | None = None
    folded: dict[str, str] = {}

    def prepare() -> dict[str, _Straighten]:
        # Not before the first use: a Struct may contain itself.
        made: dict[str, _Straighten] = {}
        for one in info.fields:
            inner = _for(one.type)
            made[one.encode_name] = _words(inner) if _takes_words(one) else inner
            folded[one.encode_name.lower()] = one.encode_name
        return made

    def straighten(value: object) -> object:
        nonlocal fields
        if not isinstance(value, dict):
            return {} if value is None else value
        if fields is None:
            fields = prepare()
        result: Document = {}
        for key, member in value.items():
            if member is None:
                continue
            name = key if key in fields else folded.get(key.lower())
            if name is not None:
                result[name] = fields[name](member)
        return result

    return straighten


def _for_dict(info: inspect.DictType) -> _Straighten:
    inner = _for(info.value_type)
    keeps_null = _admits_none(info.value_type)
    zero = None if keeps_null else _zero(info.value_type)

    def straighten(value: object) -> object:
        if not isinstance(value, dict):
            return value
        return {k: zero if member is None else inner(member) for k, member in value.items()}

    return straighten


def _for_list(item: inspect.Type) -> _Straighten:
    inner = _for(item)
    zero = None if _admits_none(item) else _zero(item)

    def straighten(value: object) -> object:
        if not isinstance(value, list):
            return value
        return [zero if member is None else inner(member) for member in value]

    return straighten


def _takes_words(one: inspect.Field) -> bool:
    return one.encode_name in _WORDS


def _words(inner: _Straighten) -> _Straighten:
    def straighten(value: object) -> object:
        return [value] if isinstance(value, str) else inner(value)

    return straighten


def _admits_none(info: inspect.Type) -> bool:
    if isinstance(info, inspect.AnyType | inspect.NoneType):
        return True
    return isinstance(info, inspect.UnionType) and any(
        isinstance(one, inspect.NoneType) for one in info.types
    )


def _zero(info: inspect.Type) -> object:
    """Go's zero value, which null leaves in place."""
    match info:
        case inspect.StrType():
            return ""
        case inspect.BoolType():
            return False
        case inspect.IntType() | inspect.FloatType():
            return 0
        case inspect.ListType():
            return []
        case _:
            return {}
