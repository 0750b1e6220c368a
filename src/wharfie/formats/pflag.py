"""Options as pflag reads them: `-it`, `-p8080:80`, `-p=x`, `--rm=false`, `--flag value`.

A command declares its flags in the very form its help shows them, one per line:

    -f, --filter filter  Filter output based on conditions provided
        --rm             Automatically remove the container when it exits (default true)

The word behind the name is the kind of value (none: bool), `(default …)` at the end its default,
`|` at a line's start continues the usage text above it, `%` marks a flag the help leaves out.
Messages are those of pflag and of Docker's own option types.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Check = Callable[[str], object]

_TRUE = {"1", "t", "T", "TRUE", "true", "True"}
_FALSE = {"0", "f", "F", "FALSE", "false", "False"}
_INT_MAX = 2**63 - 1
_UINT_BITS = {"uint16": 16, "uint32": 32, "uint": 64, "uint64": 64}


class UsageProblem(Exception):
    """The command line is wrong; the usage line follows the message."""

    def __init__(self, message: str, *, code: int = 125, hint: str = "Run") -> None:
        super().__init__(message)
        self.code = code
        self.hint = hint


class HelpWanted(Exception):
    """`--help` was among the flags."""

    def __init__(self, *, shorthand: bool = False) -> None:
        super().__init__()
        self.shorthand = shorthand


class Flag:
    """One declared flag."""

    __slots__ = ("default", "hidden", "kind", "name", "short", "usage")

    def __init__(self, name: str, short: str, kind: str, usage: str, *, hidden: bool) -> None:
        self.name = name
        self.short = short
        self.kind = kind
        self.usage = usage
        self.hidden = hidden
        self.default = _default(kind, usage)

    @property
    def shown(self) -> str:
        """How an error names it."""
        return f"-{self.short}, --{self.name}" if self.short else f"--{self.name}"


def _default(kind: str, usage: str) -> object:
    text = ""
    if usage.endswith(")"):
        at = usage.rfind("(default ")
        text = usage[at + 9 : -1] if at >= 0 else ""
    if kind == "bool":
        return text == "true"
    if kind in {"int", "bytes", "decimal", "duration"} or kind in _UINT_BITS:
        return int(text) if text.lstrip("-").isdigit() else 0
    if kind in {"map", "filter", "stringToString"}:
        return {}
    if kind == "string":
        return text[1:-1] if text.startswith('"') else ""
    return []


def declare(text: str) -> dict[str, Flag]:
    """Read a table of flags."""
    found: dict[str, Flag] = {}
    for raw in text.splitlines():
        line = raw.strip()
        if not line:
            continue
        if line.startswith("|"):
            last = found[next(reversed(found))]
            last.usage += "\n" + line[1:]
            continue
        hidden = line.startswith("%")
        head, _, usage = line.lstrip("% ").partition("  ")
        short = ""
        if head[1] != "-":
            short, head = head[1], head[4:]
        name, _, kind = head[2:].partition(" ")
        found[name] = Flag(name, short, kind or "bool", usage.strip(), hidden=hidden)
    return found


class Values:
    """What the flags of one command line say, and the arguments left over."""

    def __init__(self, flags: Mapping[str, Flag]) -> None:
        self._flags = flags
        self._set: dict[str, object] = {}
        self.args: list[str] = []

    def has(self, name: str) -> bool:
        """Tell whether the flag was given."""
        return name in self._set

    def declares(self, name: str) -> bool:
        """Tell whether the command has such a flag at all."""
        return name in self._flags

    def _get(self, name: str) -> object:
        return self._set[name] if name in self._set else self._flags[name].default

    def on(self, name: str) -> bool:
        """Return a bool."""
        return self._get(name) is True

    def text(self, name: str) -> str:
        """Return a string."""
        value = self._get(name)
        return value if isinstance(value, str) else ""

    def number(self, name: str) -> int:
        """Return an int, a size in bytes, a duration in nanoseconds or CPUs in billionths."""
        value = self._get(name)
        return value if isinstance(value, int) else 0

    def items(self, name: str) -> list[str]:
        """Return the values of a repeatable flag."""
        value = self._get(name)
        return [str(item) for item in value] if isinstance(value, list) else []

    def objects(self, name: str) -> list[object]:
        """Return the values of a repeatable flag whose values are more than text."""
        value = self._get(name)
        return list(value) if isinstance(value, list) else []

    def pairs(self, name: str) -> dict[str, str]:
        """Return a map."""
        value = self._get(name)
        return {k: str(v) for k, v in value.items()} if isinstance(value, dict) else {}

    def filters(self, name: str) -> dict[str, dict[str, bool]]:
        """Return filters: name to the set of wanted values."""
        value = self._get(name)
        if not isinstance(value, dict):
            return {}
        return {key: dict.fromkeys(wanted, True) for key, wanted in value.items()}

    def store(self, flag: Flag, text: str, check: Check | None) -> None:
        """Take one value.

        Raises:
            ValueError: it is not one of the flag's kind.
        """
        name, kind = flag.name, flag.kind
        value = check(text) if check is not None else convert(kind, text)
        if kind == "strings":
            value = _csv(text)
        if kind == "stringToString":
            self._merge_csv(name, text)
        elif kind in {"map", "filter"}:
            self._merge(name, kind, text, check)
        elif isinstance(flag.default, list):
            kept = self._set.setdefault(name, [])
            assert isinstance(kept, list)
            kept.extend(value if isinstance(value, list) and kind == "strings" else [value])
        else:
            self._set[name] = value

    def _merge(self, name: str, kind: str, text: str, check: Check | None) -> None:
        if check is not None:
            text = str(check(text))
        key, _, value = text.partition("=")
        kept = self._set.setdefault(name, {})
        assert isinstance(kept, dict)
        if kind == "map":
            kept[key] = value
            return
        if text:
            kept.setdefault(key.strip().lower(), []).append(value.strip())

    def _merge_csv(self, name: str, text: str) -> None:
        pairs = [item.partition("=") for item in _csv(text) or [""]]
        for key, equals, _ in pairs:
            if not equals:
                raise ValueError(f"{key} must be formatted as key=value")
        kept = self._set.setdefault(name, {})
        assert isinstance(kept, dict)
        kept.update({key: value for key, _, value in pairs})


def convert(kind: str, text: str) -> object:
    """Turn the text of one value into a value of `kind`.

    Raises:
        ValueError: in the words of Go or of Docker's option types.
    """
    if kind == "bool":
        if text in _TRUE or text in _FALSE:
            return text in _TRUE
        raise ValueError(f'strconv.ParseBool: parsing "{text}": invalid syntax')
    if kind == "int":
        return parse_int(text)
    if kind in _UINT_BITS:
        return _parse_uint(text, _UINT_BITS[kind])
    if kind == "bytes":
        from wharfie.formats.units import parse_size

        return parse_size(text)
    if kind == "decimal":
        return parse_cpus(text)
    if kind == "duration":
        from wharfie.formats.duration import parse_duration

        return parse_duration(text)
    if kind == "filter" and "=" not in text and text:
        raise ValueError("bad format of filter (expected name=value)")
    return text


def parse_int(text: str, function: str = "ParseInt") -> int:
    """Read an int as Go's strconv does with base 0."""
    digits = text[1:] if text[:1] in {"-", "+"} else text
    octal = len(digits) > 1 and digits[0] == "0" and digits[1].isdigit()
    plain = digits.isascii() and digits[:1].isdigit()
    try:
        value = int(digits if plain else "", 8 if octal else 0)
    except ValueError:
        raise ValueError(f'strconv.{function}: parsing "{text}": invalid syntax') from None
    value = -value if text.startswith("-") else value
    if not -_INT_MAX - 1 <= value <= _INT_MAX:
        raise ValueError(f'strconv.{function}: parsing "{text}": value out of range')
    return value


def _parse_uint(text: str, bits: int) -> int:
    bad = text[:1] in {"-", "+"}
    try:
        value = parse_int("" if bad else text, "ParseUint")
    except ValueError as error:
        if "out of range" not in str(error):
            raise ValueError(f'strconv.ParseUint: parsing "{text}": invalid syntax') from None
        value = 1 << 64
    if value >= 1 << bits:
        raise ValueError(f'strconv.ParseUint: parsing "{text}": value out of range')
    return value


def parse_cpus(text: str) -> int:
    """Read `1.5` or `3/2` CPUs as billionths."""
    top, slash, bottom = text.partition("/")
    whole, _, fraction = top.partition(".")
    digits = whole.lstrip("+-") + fraction
    divisor = bottom if slash else "1"
    plain = digits.isascii() and digits.isdigit() and divisor.isascii() and divisor.isdigit()
    if not plain or int(divisor) == 0:
        raise ValueError(f"failed to parse {text} as a rational number")
    scale = int(divisor) * int("1" + "0" * len(fraction))
    nanos, rest = divmod(int(digits) * 10**9, scale)
    if rest:
        raise ValueError("value is too precise")
    return -nanos if whole.startswith("-") else nanos


def _csv(text: str) -> list[str]:
    from wharfie.formats.fields import split_fields

    return split_fields(text) if text else []


class Parser:
    """Reads the arguments of one command."""

    def __init__(
        self,
        flags: Mapping[str, Flag],
        *,
        checks: Mapping[str, Check] | None = None,
        interspersed: bool = True,
    ) -> None:
        self._flags = flags
        self._checks = checks or {}
        self._interspersed = interspersed
        self._short = {flag.short: flag for flag in flags.values() if flag.short}

    def parse(self, argv: list[str]) -> Values:
        """Read flags and arguments.

        Raises:
            UsageProblem: a flag is unknown, or its value wrong or missing.
            HelpWanted: `--help` was met.
        """
        values = Values(self._flags)
        left = list(reversed(argv))
        while left:
            word = left.pop()
            if word == "--":
                values.args += reversed(left)
                break
            if word.startswith("--"):
                self._long(word[2:], left, values)
            elif word.startswith("-") and word != "-":
                self._shorts(word[1:], left, values)
            else:
                values.args.append(word)
                if not self._interspersed:
                    values.args += reversed(left)
                    break
        return values

    def _long(self, word: str, left: list[str], values: Values) -> None:
        name, equals, text = word.partition("=")
        if not name or name.startswith("-"):
            raise UsageProblem(f"bad flag syntax: --{word}", code=125)
        flag = self._flags.get(name)
        if flag is None:
            if name == "help":
                raise HelpWanted
            raise UsageProblem(f"unknown flag: --{name}", code=125)
        if not equals:
            if flag.kind == "bool":
                text = "true"
            elif left:
                text = left.pop()
            else:
                raise UsageProblem(f"flag needs an argument: --{name}", code=125)
        if name == "help":
            raise HelpWanted
        self._store(flag, text, values)

    def _shorts(self, letters: str, left: list[str], values: Values) -> None:
        at = 0
        while at < len(letters):
            letter, rest = letters[at], letters[at + 1 :]
            at += 1
            flag = self._short.get(letter)
            if flag is None:
                if letter == "h":
                    raise HelpWanted(shorthand=True)
                problem = f"unknown shorthand flag: {letter!r} in -{letters}"
                raise UsageProblem(problem, code=125)
            if rest.startswith("=") and (len(rest) > 1 or flag.kind != "bool"):
                self._store(flag, rest[1:], values)
                return
            if flag.kind == "bool":
                self._store(flag, "true", values)
                continue
            if rest:
                self._store(flag, rest, values)
                return
            if not left:
                problem = f"flag needs an argument: {letter!r} in -{letters}"
                raise UsageProblem(problem, code=125)
            self._store(flag, left.pop(), values)

    def _store(self, flag: Flag, text: str, values: Values) -> None:
        try:
            values.store(flag, text, self._checks.get(flag.name))
        except ValueError as error:
            from wharfie.formats.gojson import quote

            problem = f'invalid argument {quote(text)} for "{flag.shown}" flag: {error}'
            raise UsageProblem(problem, code=125) from None
