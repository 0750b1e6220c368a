"""API versions below the newest: one module per version that changed something.

A request of version 1.43 passes the changes of 1.44 and later, oldest first; its reply passes
them newest first. Handlers know only the newest version.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import msgspec

from wharfie.api.bodies import Document
from wharfie.api.compat import (
    v1_28,
    v1_40,
    v1_41,
    v1_42,
    v1_43,
    v1_44,
    v1_45,
    v1_46,
    v1_48,
    v1_49,
    v1_50,
    v1_51,
)
from wharfie.api.query import Query
from wharfie.api.versions import Version

CHANGES = tuple(
    module.CHANGE
    for module in (
        v1_28,
        v1_40,
        v1_41,
        v1_42,
        v1_43,
        v1_44,
        v1_45,
        v1_46,
        v1_48,
        v1_49,
        v1_50,
        v1_51,
    )
)


def raise_document(operation: str, version: Version, document: Document) -> None:
    """Make a request body one of the newest version, in place.

    Raises:
        InvalidArgument: it uses what its version did not have.
    """
    for change in _document_changes(operation, version):
        change(document)


def raise_query(operation: str, version: Version, query: Query) -> None:
    """Make a query one of the newest version, in place."""
    for change in _query_changes(operation, version):
        change(query)


def lower(operation: str, version: Version, value: object) -> object:
    """Make a reply one of `version`; the value itself where nothing changed since."""
    changes = _reply_changes(operation, version)
    if not changes:
        return value
    reply: object = msgspec.json.decode(msgspec.json.encode(value))
    for change in changes:
        reply = change(reply)
    return reply


def lower_content_type(version: Version, content_type: str) -> str:
    """The name `version` had for the type of a stream."""
    for change in CHANGES:
        if version < change.version:
            content_type = change.content_types.get(content_type, content_type)
    return content_type


@functools.cache
def _document_changes(operation: str, version: Version) -> tuple[Callable[[Document], None], ...]:
    found = (c.documents.get(operation) for c in CHANGES if version < c.version)
    return tuple(change for change in found if change is not None)


@functools.cache
def _query_changes(operation: str, version: Version) -> tuple[Callable[[Query], None], ...]:
    found = (c.queries.get(operation) for c in CHANGES if version < c.version)
    return tuple(change for change in found if change is not None)


@functools.cache
def _reply_changes(operation: str, version: Version) -> tuple[Callable[[object], object], ...]:
    found = (c.replies.get(operation) for c in reversed(CHANGES) if version < c.version)
    return tuple(change for change in found if change is not None)
