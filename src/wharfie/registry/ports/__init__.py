"""What the parts of the registry ask of each other: Protocols and the values they exchange.

`storage` keeps bytes under keys, `access` decides who may do what, `upstream` fills the storage
from other registries, `watching` is told what happened (notifications, metrics, access log),
`pages` answers paths outside /v2/.
"""

from wharfie.registry.ports.access import (
    ANONYMOUS,
    Access,
    Action,
    Ask,
    Asking,
    Decision,
    Identity,
)
from wharfie.registry.ports.pages import Page
from wharfie.registry.ports.storage import ByteStore, KeyState, NoSuchKey, OpenObject, Staging
from wharfie.registry.ports.upstream import Upstream
from wharfie.registry.ports.watching import Event, EventKind, Observer, Outcome

__all__ = [
    "ANONYMOUS",
    "Access",
    "Action",
    "Ask",
    "Asking",
    "ByteStore",
    "Decision",
    "Event",
    "EventKind",
    "Identity",
    "KeyState",
    "NoSuchKey",
    "Observer",
    "OpenObject",
    "Outcome",
    "Page",
    "Staging",
    "Upstream",
]
