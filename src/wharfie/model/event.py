"""Events: what happened to which object.

Source: Engine API 1.51, EventMessage; behaviours 100–108.
"""

from __future__ import annotations

from msgspec import Struct, field


class Actor(Struct, frozen=True):
    """The object an event is about; attributes are strings."""

    id: str = field(name="ID")
    attributes: dict[str, str] = field(default_factory=dict, name="Attributes")


class Event(Struct, frozen=True, kw_only=True):
    """One event in the API's newest shape; `time` in seconds, `time_nano` in nanoseconds."""

    type: str = field(name="Type")
    action: str = field(name="Action")
    actor: Actor = field(name="Actor")
    scope: str = "local"
    time: int = 0
    time_nano: int = field(default=0, name="timeNano")
