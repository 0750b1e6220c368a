"""What a template can see: which Python value stands for which Go value.

None is nil, `bool int float str list dict` are what JSON makes of them. A plain dict stands for
a struct decoded from JSON; `GoMap` for a Go map (missing keys are no error); `NilList` and
`NilMap` for typed nils; a `Record` for a struct with methods. `NO_VALUE` is the invalid value.
"""

from __future__ import annotations


class Record:
    """A value with fields and methods of its own, as the rows of a listing are."""

    __slots__ = ()

    @property
    def type_name(self) -> str:
        """The Go type that error texts name."""
        return "struct"

    def field(self, name: str, arguments: list[object]) -> object:  # noqa: ARG002
        """Return a field, or call a method.

        Raises:
            KeyError: there is no such field.
            TypeError: wrong number of arguments.
        """
        raise KeyError(name)

    def to_json(self) -> object:
        """Return what `{{json .}}` writes."""
        raise NotImplementedError


class GoMap(dict[str, object]):
    """A Go map: a missing key yields no value instead of an error."""


class Struct(dict[str, object]):
    """A struct whose left-out fields are known: templates see them, JSON does not.

    With a `kind`, error texts call it a value of this Go type, otherwise a map.
    """

    __slots__ = ("kind", "optional")

    def __init__(
        self, members: dict[str, object], optional: dict[str, object], *, kind: str = ""
    ) -> None:
        super().__init__(members)
        self.optional = optional
        self.kind = kind


class NilMap(GoMap):
    """A nil map: empty, but null in JSON."""


class NilList(list[object]):
    """A nil slice: empty, but null in JSON."""


class _NoValue:
    """Go's invalid reflect.Value."""

    __slots__ = ()

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return "<no value>"


NO_VALUE = _NoValue()


def is_true(value: object) -> bool:
    """Tell whether Go's template takes the value as true: not the zero value of its type."""
    if isinstance(value, Record):
        return True
    if isinstance(value, dict) and not isinstance(value, GoMap):
        return True
    return bool(value)


def to_plain(value: object) -> object:
    """Return the value as JSON shows it: typed nils become null, records their document."""
    if value is NO_VALUE or isinstance(value, (NilMap, NilList)):
        return None
    if isinstance(value, Record):
        return to_plain(value.to_json())
    if isinstance(value, dict):
        keys = sorted(value) if isinstance(value, GoMap) else value
        return {key: to_plain(value[key]) for key in keys}
    if isinstance(value, (list, tuple)):
        return [to_plain(item) for item in value]
    return value


def kind_name(value: object) -> str:
    """Name the Go type for an error text."""
    if isinstance(value, Record):
        return value.type_name
    names: list[tuple[type, str]] = [
        (bool, "bool"),
        (str, "string"),
        (int, "int"),
        (float, "float64"),
        (dict, "map[string]interface {}"),
        (list, "[]interface {}"),
    ]
    for kind, name in names:
        if isinstance(value, kind):
            return name
    return "interface {}"
