"""From a file's text and the environment to a `Document`, every complaint with its place.

Environment variables are Docker's: `REGISTRY_HTTP_ADDR` is `http.addr`, an index is a word of its
own (`REGISTRY_NOTIFICATIONS_ENDPOINTS_0_URL`). A variable that names nothing is only warned of:
Kubernetes sets some for a service that happens to be called "registry".
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from itertools import pairwise

import msgspec
from msgspec import inspect

from wharfie.formats.block_yaml import Path, Value, YamlError, parse_located_yaml, parse_yaml
from wharfie.formats.duration import SECOND, parse_duration
from wharfie.formats.units import parse_size
from wharfie.registry.config.document import UNSERVED, Document, Seconds, Size

ENVIRONMENT = "REGISTRY_"
_NOT_SETTINGS = frozenset({"REGISTRY_CONFIGURATION_PATH"})
_STEP = re.compile(r"\.([A-Za-z0-9_]+)|\[(\d+|\.\.\.)\]")
_ONE_OF = (("storage",), ("auth",))
"""Members whose value may be the bare name of what they hold."""
_MOST_ITEMS = 1000
Problem = tuple[int, str]
"""Line (0 for none) and text."""


class Reading:
    """One reading of the configuration.

    Args:
        text: of the file.
        environment: all variables.

    Raises:
        YamlError: the file is not YAML.
    """

    def __init__(self, text: str, environment: Mapping[str, str]) -> None:
        located = parse_located_yaml(text)
        self._lines = dict(located.lines)
        self.problems: list[Problem] = []
        self.warnings: list[str] = []
        value = {} if located.value is None else located.value
        if not isinstance(value, dict):
            self.problems.append((self.line(()), "the file is not a mapping"))
            value = {}
        self._value: dict[str, Value] = value
        self._origins: dict[Path, str] = {}
        for name in sorted(environment):
            if name.startswith(ENVIRONMENT) and name not in _NOT_SETTINGS:
                self._take(name, environment[name])

    def document(self) -> Document:
        """The document; with `problems` it is the default one."""
        self._spell_out()
        self._walk(self._value, inspect.type_info(Document), ())
        if self.problems:
            return Document()
        try:
            return msgspec.convert(self._value, Document, dec_hook=_decode)
        except msgspec.ValidationError as error:
            text, _, where = str(error).rpartition(" - at `$")
            path = _path_of(where.rstrip("`")) if text else ()
            self.add(path, f"{'.'.join(path)}: {_reworded(text or str(error))}")
            return Document()

    def add(self, path: Path, text: str) -> None:
        """Complain about a member."""
        origin = self._origins.get(path, "")
        self.problems.append((0 if origin else self.line(path), f"{origin}{text}"))

    def warn(self, path: Path, text: str) -> None:
        """Remark on a member."""
        line, origin = self.line(path), self._origins.get(path, "")
        place = origin or (f"line {line}: " if line else "")
        self.warnings.append(f"{place}{text}")

    def line(self, path: Path) -> int:
        """The line of a member, or of the nearest around it; 0 for none."""
        while path not in self._lines and path:
            path = path[:-1]
        return self._lines.get(path, 0)

    def _spell_out(self) -> None:
        for (name,) in _ONE_OF:
            value = self._value.get(name)
            if isinstance(value, str):
                self._value[name] = {value: {}}

    def _walk(self, value: Value, kind: inspect.Type, path: Path) -> None:
        """Find what nobody knows, and drop what is known not to be served."""
        kind = _inner(kind, value)
        if isinstance(kind, inspect.StructType) and isinstance(value, dict):
            fields = {one.encode_name: one.type for one in kind.fields}
            for key in list(value):
                inside = (*path, key)
                if key in fields:
                    self._walk(value[key], fields[key], inside)
                    if value[key] is None:
                        del value[key]  # a key without a value, as YAML has them
                elif inside in UNSERVED:
                    del value[key]
                    self._remark(inside, UNSERVED[inside])
                else:
                    self.add(inside, _unknown(inside, list(fields)))
        elif isinstance(kind, inspect.ListType) and isinstance(value, list):
            for number, item in enumerate(value):
                self._walk(item, kind.item_type, (*path, str(number)))

    def _remark(self, path: Path, text: str) -> None:
        name = ".".join(path)
        if text.startswith("!"):
            self.add(path, f"{name}: {text[1:]}")
        else:
            self.warn(path, f"{name} has no effect: {text}")

    def _take(self, name: str, text: str) -> None:
        """Put a variable's value where it belongs."""
        words = name.removeprefix(ENVIRONMENT).lower().split("_")
        found = _target(inspect.type_info(Document), words)
        if found is None:
            self.warnings.append(f"{name} has no effect: no setting has this name")
            return
        path, kind = found
        self._origins[path] = f"{name}: "
        try:
            value: Value = text if _is_text(kind) or path in _ONE_OF else parse_yaml(text)
        except YamlError as error:
            self.add(path, str(error))
            return
        if not _put(self._value, path, value):
            self.add(path, "what is around it in the file is no mapping or list")


def _target(kind: inspect.Type, words: list[str]) -> tuple[Path, inspect.Type] | None:
    """The member that some words lead to."""
    path: list[str] = []
    for number, word in enumerate(words):
        kind = _inner(kind, {})
        if isinstance(kind, inspect.StructType):
            fields = {one.encode_name: one.type for one in kind.fields}
            inside = (*path, word)
            if word not in fields:
                # Known, and told when the document is looked at; its value is not ours to judge.
                return (inside, inspect.AnyType()) if inside in UNSERVED else None
            kind = fields[word]
        elif isinstance(kind, inspect.DictType):
            # Names of header fields: a dash is an underscore in a variable's name.
            path.append("-".join(words[number:]))
            return tuple(path), kind.value_type
        elif isinstance(kind, inspect.ListType) and word.isdigit() and int(word) < _MOST_ITEMS:
            kind = kind.item_type
        else:
            return None
        path.append(word)
    return tuple(path), kind


def _put(value: dict[str, Value], path: Path, new: Value) -> bool:
    current: Value = value
    for step, following in pairwise(path):
        empty: Value = [] if following.isdigit() else {}
        if isinstance(current, dict):
            inner = current.get(step)
            if isinstance(inner, str) and (step,) in _ONE_OF:
                inner = {inner: {}}
            current[step] = inner = empty if inner is None else inner
        else:
            inner = _item(current, step, empty)
        current = inner
    last = path[-1]
    if isinstance(current, dict):
        known = current.get(last)
        if (last,) in _ONE_OF and path == (last,) and isinstance(known, dict):
            known.setdefault(str(new), {})
        else:
            current[last] = new
        return True
    if isinstance(current, list):
        return _item(current, last, new, replace=True) is not None
    return False


def _item(values: Value, step: str, new: Value, *, replace: bool = False) -> Value:
    if not isinstance(values, list) or not step.isdigit() or int(step) > len(values):
        return None
    if int(step) == len(values):
        values.append(new)
    elif replace:
        values[int(step)] = new
    return values[int(step)]


def _inner(kind: inspect.Type, value: Value) -> inspect.Type:
    """Of a choice, the part a value can be meant for."""
    if not isinstance(kind, inspect.UnionType):
        return kind
    wanted = (inspect.StructType, inspect.DictType, inspect.ListType)
    options = [one for one in kind.types if isinstance(one, wanted)]
    return options[0] if options and isinstance(value, dict | list) else kind


def _is_text(kind: inspect.Type) -> bool:
    return isinstance(kind, inspect.StrType)


def _decode(kind: type, value: object) -> object:
    if kind is Seconds and isinstance(value, str):
        return Seconds(parse_duration(value) / SECOND)
    if kind is Seconds and isinstance(value, int) and not isinstance(value, bool):
        return Seconds(value / SECOND)  # as Docker's: a bare number is nanoseconds
    if kind is Size and isinstance(value, str):
        return Size(parse_size(value))
    if kind is Size and isinstance(value, int) and not isinstance(value, bool):
        return Size(value)
    raise ValueError(f"expected {'a duration' if kind is Seconds else 'a size'}")


def _unknown(path: Path, known: list[str]) -> str:
    close = difflib.get_close_matches(path[-1].lower(), known, n=1)
    hint = f" (did you mean {close[0]}?)" if close else ""
    return f"{'.'.join(path)}: no such setting{hint}"


def _path_of(text: str) -> Path:
    return tuple(_steps(text))


def _steps(text: str) -> Iterator[str]:
    for found in _STEP.finditer(text):
        yield found[1] or found[2]


def _reworded(text: str) -> str:
    if text in ("Expected `str`, got `int`", "Expected `str`, got `bool`"):
        return "a text is expected: put it in quotes"
    return text[:1].lower() + text[1:]
