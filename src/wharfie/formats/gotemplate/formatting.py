"""How Go's fmt prints values: `%v` and the verbs of `printf`."""

from __future__ import annotations

from wharfie.formats.gojson import RawFloat, quote
from wharfie.formats.gotemplate.values import NO_VALUE, GoMap, Record, kind_name, to_plain

_MAX_WIDTH = 10_000
_FLAGS = "+-# 0"


def show(value: object, *, quoted: bool = False) -> str:
    """Print like `%v` (`%q` for every string when `quoted`)."""
    if value is None:
        return "<nil>"
    if value is NO_VALUE:
        return "<no value>"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return quote(value) if quoted else value
    if isinstance(value, Record):
        value = to_plain(value)
    if isinstance(value, dict):
        return _show_dict(value, quoted=quoted)
    if isinstance(value, (list, tuple)):
        return "[" + " ".join(show(item, quoted=quoted) for item in value) + "]"
    if isinstance(value, float):
        return _show_float(value)
    return str(value)


def _show_dict(value: dict[str, object], *, quoted: bool) -> str:
    if not isinstance(value, GoMap):
        return "{" + " ".join(show(item, quoted=quoted) for item in value.values()) + "}"
    pairs = (f"{show(k, quoted=quoted)}:{show(value[k], quoted=quoted)}" for k in sorted(value))
    return "map[" + " ".join(pairs) + "]"


def _show_float(value: float) -> str:
    if isinstance(value, RawFloat):
        value = float(value)
    if value == int(value) and abs(value) < 1e21:
        return str(int(value))
    text = repr(value)
    mantissa, mark, exponent = text.partition("e")
    if not mark:
        return text
    return f"{mantissa}e{exponent[0]}{exponent[1:].zfill(2)}"


def printf(form: str, arguments: list[object]) -> str:
    """Format like fmt.Sprintf; misuse is shown in the text, as Go does, never raised."""
    out: list[str] = []
    left = list(arguments)
    at = 0
    while at < len(form):
        percent = form.find("%", at)
        if percent < 0:
            out.append(form[at:])
            break
        out.append(form[at:percent])
        text, at = _directive(form, percent + 1, left)
        out.append(text)
    if left:
        extra = ", ".join(f"{kind_name(item)}={show(item)}" for item in left)
        out.append(f"%!(EXTRA {extra})")
    return "".join(out)


def _directive(form: str, at: int, left: list[object]) -> tuple[str, int]:
    """Format one directive that starts behind its `%`; return where it ends."""
    flags = ""
    while at < len(form) and form[at] in _FLAGS:
        flags += form[at]
        at += 1
    width, at = _count(form, at, left)
    precision: int | None = None
    if form[at : at + 1] == ".":
        precision, at = _count(form, at + 1, left)
        precision = precision or 0
    verb = form[at : at + 1]
    at += 1
    if not verb:
        return "%!(NOVERB)", at
    if verb == "%":
        return "%", at
    if not left:
        return f"%!{verb}(MISSING)", at
    value = left.pop(0)
    text = _verb(verb, value, flags, precision)
    if text is None:
        return f"%!{verb}({kind_name(value)}={show(value)})", at
    if width is not None and len(text) < width:
        numeric = isinstance(value, (int, float)) and not isinstance(value, bool)
        if "-" in flags:
            text = text.ljust(width)
        elif "0" in flags and numeric:
            text = text.zfill(width)
        else:
            text = text.rjust(width)
    return text, at


def _count(form: str, at: int, left: list[object]) -> tuple[int | None, int]:
    if form[at : at + 1] == "*":
        value = left.pop(0) if left else None
        count = value if isinstance(value, int) else None
        return (min(abs(count), _MAX_WIDTH) if count is not None else None), at + 1
    end = at
    while end < len(form) and form[end].isdigit():
        end += 1
    if end == at:
        return None, at
    return min(int(form[at : min(end, at + 9)]), _MAX_WIDTH), end


def _verb(verb: str, value: object, flags: str, precision: int | None) -> str | None:
    """Return the text of one value; None when the verb does not fit it."""
    if verb in "vs":
        text = show(value)
        return text if precision is None or verb == "v" else text[:precision]
    if verb == "q" and isinstance(value, (str, list, dict)):
        return show(value, quoted=True)
    if verb == "T":
        return kind_name(value)
    if verb == "t":
        return show(value) if isinstance(value, bool) else None
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return _integer(verb, value, flags)
    if isinstance(value, float) and verb in "feEgGF":
        sign = "+" if "+" in flags else ""
        if verb in "gG" and precision is None:
            return _show_float(value)
        return f"{value:{sign}.{6 if precision is None else min(precision, 400)}{verb}}"
    if isinstance(value, str) and verb in "xX":
        return value.encode().hex() if verb == "x" else value.encode().hex().upper()
    return None


def _integer(verb: str, value: int, flags: str) -> str | None:
    sign = "+" if "+" in flags else " " if " " in flags else ""
    if verb == "d":
        return f"{value:{sign}d}"
    if verb in "xXob":
        return f"{value:{sign}{'#' if '#' in flags else ''}{verb}}"
    if verb == "c" and 0 <= value < 0x110000:
        return chr(value)
    if verb == "q" and 0 <= value < 0x110000:
        return f"'{chr(value)}'"
    if verb == "U" and value >= 0:
        return f"U+{value:04X}"
    return None
