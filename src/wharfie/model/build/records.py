"""What builds leave on disk for later ones, as it is recorded."""

from __future__ import annotations

from msgspec import Struct, field

from wharfie.model.build.solver import SolvedLayer


class StepRecord(Struct, frozen=True, kw_only=True):
    """A result of a step.

    Attributes:
        id: 64 hex digits.
        key: stands for this result in the keys of steps that stand on it.
        keys: under which it is found.
        layers: the whole stack, base first; the last is the step's own.
        parents: IDs of the results it stands on.
        kind: as `CacheRecord.kind`.
        description: the step, for people.
        created, used: RFC 3339.
        uses: times it was found.
    """

    id: str
    key: str
    keys: list[str]
    layers: list[SolvedLayer] = field(default_factory=list)
    parents: list[str] = field(default_factory=list)
    kind: str = "regular"
    description: str = ""
    created: str = ""
    used: str = ""
    uses: int = 0


class CacheMount(Struct, frozen=True, kw_only=True):
    """A directory that steps mount by name and that outlives them.

    Attributes:
        id: 64 hex digits; the directory's name.
        name: what steps call it.
        copy: number of this one where steps want it each for themselves.
        created, used: RFC 3339.
    """

    id: str
    name: str
    copy: int = 0
    size: int = 0
    created: str = ""
    used: str = ""
    uses: int = 0
