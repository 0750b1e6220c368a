"""The functions a template may call: Go's own and those Docker adds.

A function takes its arguments as a list and raises FunctionError when they do not fit.
"""

from __future__ import annotations

from wharfie.formats.gojson import JsonError, dumps
from wharfie.formats.gotemplate.errors import FunctionError
from wharfie.formats.gotemplate.formatting import printf, show
from wharfie.formats.gotemplate.values import (
    NO_VALUE,
    is_true,
    kind_name,
    to_plain,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Function = Callable[[list[object]], object]

_MAX_TEXT = 16 << 20


def _arity(name: str, arguments: list[object], least: int, most: int | None = None) -> None:
    count = len(arguments)
    wanted = least if most is None else most
    if count < least:
        text = f"want {least}" if most == least else f"want at least {least}"
        raise FunctionError(f"wrong number of args for {name}: {text} got {count}")
    if most is not None and count > wanted:
        raise FunctionError(f"wrong number of args for {name}: want {wanted} got {count}")


def _text(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise FunctionError(
            f"wrong type for value; expected string; got {kind_name(value)}"
            if name
            else "not a string"
        )
    return value


def _whole(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise FunctionError(f"wrong type for value; expected int; got {kind_name(value)}")


def _length(arguments: list[object]) -> object:
    _arity("len", arguments, 1, 1)
    value = arguments[0]
    if isinstance(value, str):
        return len(value.encode())
    if isinstance(value, (list, dict)):
        return len(value)
    if value is None:
        raise FunctionError("error calling len: len of nil pointer")
    raise FunctionError(f"error calling len: len of type {kind_name(value)}")


def _index(arguments: list[object]) -> object:
    _arity("index", arguments, 1)
    value = arguments[0]
    for key in arguments[1:]:
        value = _element(value, key)
    return value


def _element(value: object, key: object) -> object:
    if value is None or value is NO_VALUE:
        raise FunctionError("error calling index: index of untyped nil")
    if isinstance(value, dict):
        if not isinstance(key, str):
            raise FunctionError(
                f"error calling index: value has type {kind_name(key)}; should be string"
            )
        if key in value:
            return value[key]
        return "" if all(isinstance(item, str) for item in value.values()) else NO_VALUE
    if isinstance(value, (list, str)):
        number = _index_number(key)
        items: list[object] | bytes = value.encode() if isinstance(value, str) else value
        if not 0 <= number < len(items):
            raise FunctionError(f"error calling index: index out of range: {number}")
        return items[number]
    raise FunctionError(f"error calling index: can't index item of type {kind_name(value)}")


def _index_number(key: object) -> int:
    if isinstance(key, int) and not isinstance(key, bool):
        return key
    raise FunctionError(f"error calling index: cannot index slice/array with type {kind_name(key)}")


def _slice(arguments: list[object]) -> object:
    _arity("slice", arguments, 1)
    value, bounds = arguments[0], [_whole(item) for item in arguments[1:]]
    if len(bounds) > 3:
        raise FunctionError(f"error calling slice: too many slice indexes: {len(bounds)}")
    if isinstance(value, str):
        data = value.encode()
        start, end = _bounds(bounds, len(data))
        return data[start:end].decode("utf-8", "replace")
    if isinstance(value, list):
        start, end = _bounds(bounds, len(value))
        return value[start:end]
    raise FunctionError(f"error calling slice: can't slice item of type {kind_name(value)}")


def _bounds(bounds: list[int], length: int) -> tuple[int, int]:
    start = bounds[0] if bounds else 0
    end = bounds[1] if len(bounds) > 1 else length
    for number in (start, end):
        if not 0 <= number <= length:
            raise FunctionError(f"error calling slice: index out of range: {number}")
    if start > end:
        raise FunctionError(f"error calling slice: invalid slice index: {start} > {end}")
    return start, end


def _sprint(arguments: list[object]) -> str:
    out: list[str] = []
    for number, item in enumerate(arguments):
        both = number and not isinstance(item, str) and not isinstance(arguments[number - 1], str)
        out.append((" " if both else "") + show(item))
    return "".join(out)


def _println(arguments: list[object]) -> str:
    return " ".join(show(item) for item in arguments) + "\n"


def _printf(arguments: list[object]) -> str:
    _arity("printf", arguments, 1)
    return printf(_text("printf", arguments[0]), arguments[1:])


def _kind(value: object) -> str:
    for kind, name in ((bool, "bool"), (int, "int"), (float, "float"), (str, "string")):
        if isinstance(value, kind):
            return name
    if value is None or value is NO_VALUE:
        return "nil"
    return "other"


def _equal(arguments: list[object]) -> object:
    if len(arguments) < 2:
        raise FunctionError("error calling eq: missing argument for comparison")
    first = arguments[0]
    return any(_same(first, other) for other in arguments[1:])


def _same(first: object, other: object) -> bool:
    kinds = _kind(first), _kind(other)
    if "other" in kinds:
        raise FunctionError("error calling eq: incompatible types for comparison")
    if kinds[0] != kinds[1]:
        if "nil" in kinds:
            return False
        raise FunctionError("error calling eq: incompatible types for comparison")
    return kinds[0] == "nil" or first == other


def _less(name: str, arguments: list[object]) -> bool:
    _arity(name, arguments, 2, 2)
    first, second = arguments
    kinds = _kind(first), _kind(second)
    if kinds[0] != kinds[1] or kinds[0] not in {"int", "float", "string"}:
        raise FunctionError(f"error calling {name}: incompatible types for comparison")
    if isinstance(first, str) and isinstance(second, str):
        return first < second
    return isinstance(first, (int, float)) and isinstance(second, (int, float)) and first < second


def _greater(name: str, arguments: list[object]) -> bool:
    return _less(name, arguments[::-1])


def _html(arguments: list[object]) -> str:
    text = _sprint(arguments)
    for char, code in (
        ("&", "&amp;"),
        ("'", "&#39;"),
        ('"', "&#34;"),
        ("<", "&lt;"),
        (">", "&gt;"),
    ):
        text = text.replace(char, code)
    return text.replace("\0", "\ufffd")


def _js(arguments: list[object]) -> str:
    text = _sprint(arguments)
    for char in "\\'\"<>&=":
        code = f"\\u{ord(char):04X}" if char in "<>&=" else "\\" + char
        text = text.replace(char, code)
    return text.replace("\n", "\\u000A").replace("\r", "\\u000D").replace("\t", "\\u0009")


def _urlquery(arguments: list[object]) -> str:
    out = []
    for byte in _sprint(arguments).encode():
        char = chr(byte)
        if char.isascii() and (char.isalnum() or char in "-_.~"):
            out.append(char)
        else:
            out.append("+" if char == " " else f"%{byte:02X}")
    return "".join(out)


def _call(_arguments: list[object]) -> object:
    raise FunctionError("error calling call: call of nil")


def _json(arguments: list[object]) -> str:
    _arity("json", arguments, 1, 1)
    try:
        return dumps(to_plain(arguments[0]))
    except JsonError as error:
        raise FunctionError(f"error calling json: {error}") from None


def _split(arguments: list[object]) -> object:
    _arity("split", arguments, 2, 2)
    text, separator = _text("split", arguments[0]), _text("split", arguments[1])
    return list[object](text.split(separator) if separator else list(text))


def _join(arguments: list[object]) -> str:
    _arity("join", arguments, 2, 2)
    items, separator = arguments
    if not isinstance(items, list):
        raise FunctionError(f"wrong type for value; expected []string; got {kind_name(items)}")
    return _text("join", separator).join(show(item) for item in items)


def _title(arguments: list[object]) -> str:
    _arity("title", arguments, 1, 1)
    out, start = [], True
    for char in _text("title", arguments[0]):
        out.append(char.upper() if start else char)
        start = not (char.isalnum() or char in "_'")
    return "".join(out)


def _lower(arguments: list[object]) -> str:
    _arity("lower", arguments, 1, 1)
    return _text("lower", arguments[0]).lower()


def _upper(arguments: list[object]) -> str:
    _arity("upper", arguments, 1, 1)
    return _text("upper", arguments[0]).upper()


def _pad(arguments: list[object]) -> str:
    _arity("pad", arguments, 3, 3)
    text, before, after = _text("pad", arguments[0]), _whole(arguments[1]), _whole(arguments[2])
    if not text:
        return text
    if max(before, after) > _MAX_TEXT:
        raise FunctionError("error calling pad: too wide")
    return " " * before + text + " " * after


def _truncate(arguments: list[object]) -> str:
    _arity("truncate", arguments, 2, 2)
    return _text("truncate", arguments[0])[: max(0, _whole(arguments[1]))]


def _not(arguments: list[object]) -> bool:
    _arity("not", arguments, 1, 1)
    return not is_true(arguments[0])


GO: Mapping[str, Function] = {
    "call": _call,
    "eq": _equal,
    "ge": lambda arguments: not _less("ge", arguments),
    "gt": lambda arguments: _greater("gt", arguments),
    "html": _html,
    "index": _index,
    "js": _js,
    "le": lambda arguments: not _greater("le", arguments),
    "len": _length,
    "lt": lambda arguments: _less("lt", arguments),
    "ne": lambda arguments: not _equal(arguments),
    "not": _not,
    "print": _sprint,
    "printf": _printf,
    "println": _println,
    "slice": _slice,
    "urlquery": _urlquery,
}
DOCKER: Mapping[str, Function] = {
    "join": _join,
    "json": _json,
    "lower": _lower,
    "pad": _pad,
    "split": _split,
    "title": _title,
    "truncate": _truncate,
    "upper": _upper,
}
ALL: dict[str, Function] = {**GO, **DOCKER}
LAZY = frozenset({"and", "or"})
NAMES = frozenset(ALL) | LAZY
