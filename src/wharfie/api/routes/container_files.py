"""Files of containers: archive in and out, changes, export."""

from __future__ import annotations

from base64 import b64encode

import msgspec
from msgspec import Struct

from wharfie.api.operations import (
    EMPTY,
    TAR,
    BodyKind,
    ByRef,
    Incoming,
    Json,
    Outcome,
    Routes,
)
from wharfie.api.services import Context
from wharfie.model.archive import PathStat
from wharfie.model.errors import InvalidArgument
from wharfie.web import Body, Response, Stream, encode_fields
from wharfie.wire.containers import FilesystemChange

routes = Routes()


class AtPath(Struct, frozen=True):
    """A path in a container."""

    ref: str
    path: str


def _at_path(incoming: Incoming) -> AtPath:
    path = incoming.query.text("path")
    if not path:
        raise InvalidArgument("bad parameter: the path parameter is required")
    return AtPath(incoming.ref, path)


def _stat_header(stat: PathStat) -> bytes:
    encoded = b64encode(msgspec.json.encode(stat)).decode()
    return encode_fields(("X-Docker-Container-Path-Stat", encoded))


@routes.add("HEAD", "/containers/{ref:.*}/archive", _at_path)
async def stat(context: Context, command: AtPath) -> Outcome:
    """ContainerArchiveInfo."""
    found = await context.services.files.stat(command.ref, command.path)
    return Response(200, headers=_stat_header(found))


@routes.add("GET", "/containers/{ref:.*}/archive", _at_path)
async def copy_out(context: Context, command: AtPath) -> Outcome:
    """ContainerArchive."""
    found, chunks = await context.services.files.copy_out(command.ref, command.path)
    return Stream(chunks, 200, TAR, _stat_header(found))


class CopyIn(Struct, frozen=True, kw_only=True):
    """A tar to unpack in a container; `source` is the request's body."""

    ref: str
    path: str
    source: Body
    no_overwrite_dir_non_dir: bool
    copy_uid_gid: bool


def _copy_in(incoming: Incoming) -> CopyIn:
    query = incoming.query
    where = _at_path(incoming)
    return CopyIn(
        ref=where.ref,
        path=where.path,
        source=incoming.request.body,
        no_overwrite_dir_non_dir=query.flag("noOverwriteDirNonDir"),
        copy_uid_gid=query.flag("copyUIDGID"),
    )


@routes.add("PUT", "/containers/{ref:.*}/archive", _copy_in, body=BodyKind.STREAM)
async def copy_in(context: Context, command: CopyIn) -> Outcome:
    """PutContainerArchive."""
    await context.services.files.copy_in(
        command.ref,
        command.path,
        command.source,
        no_overwrite_dir_non_dir=command.no_overwrite_dir_non_dir,
        copy_uid_gid=command.copy_uid_gid,
    )
    return EMPTY


@routes.add("GET", "/containers/{ref:.*}/changes", ByRef.of)
async def changes(context: Context, command: ByRef) -> Outcome:
    """ContainerChanges; null when nothing changed."""
    found = await context.services.files.changes(command.ref)
    return Json([FilesystemChange(one.path, one.kind) for one in found] or None)


@routes.add("GET", "/containers/{ref:.*}/export", ByRef.of)
async def export(context: Context, command: ByRef) -> Outcome:
    """ContainerExport."""
    chunks = await context.services.files.export(command.ref)
    return Stream(chunks, 200, "application/octet-stream")
