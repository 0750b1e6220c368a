"""Events as clients up to 1.51 see them: with the older fields beside the newer ones.

Source: Engine API 1.51, EventMessage; behaviours 100.
"""

from __future__ import annotations

from msgspec import UNSET, Struct, UnsetType, field

from wharfie.model.event import Actor, Event

_WITH_STATUS = frozenset({"container", "image"})


class EventMessage(Struct, frozen=True, kw_only=True):
    """One line of `GET /events`."""

    status: str | UnsetType = UNSET
    id: str | UnsetType = UNSET
    from_: str | UnsetType = field(default=UNSET, name="from")
    type: str = field(name="Type")
    action: str = field(name="Action")
    actor: Actor = field(name="Actor")
    scope: str
    time: int
    time_nano: int = field(name="timeNano")

    @classmethod
    def of(cls, event: Event) -> EventMessage:
        """Tell an event."""
        has_status = event.type in _WITH_STATUS
        origin = event.actor.attributes.get("image", "") if event.type == "container" else ""
        return cls(
            status=event.action if has_status else UNSET,
            id=event.actor.id if has_status else UNSET,
            from_=origin or UNSET,
            type=event.type,
            action=event.action,
            actor=event.actor,
            scope=event.scope,
            time=event.time,
            time_nano=event.time_nano,
        )
