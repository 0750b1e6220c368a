"""COPY and ADD as a vertex.

Source: Dockerfile reference, "COPY", "ADD".
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Sequence

from msgspec import Struct

from wharfie.build.frontend.context import PlanContext, made
from wharfie.build.frontend.sources import (
    check_commit,
    check_file_checksum,
    is_http,
    parse_git,
    url_filename,
)
from wharfie.engine.images.making.instructions import Variables
from wharfie.formats.dockerfile import instructions as kinds
from wharfie.formats.dockerfile.heredocs import Heredoc
from wharfie.formats.dockerfile.problem import DockerfileProblem
from wharfie.model.build.graph import CopyAction, FileOp, MakeFile, SourceOp, Vertex

_OCTAL = re.compile(r"0?[0-7]{1,4}", re.ASCII)
_SYMBOLIC = re.compile(
    r"(?:[ugoa]*(?:[-+=][rwxXst]*|[-+=][ugo])+)(?:,[ugoa]*(?:[-+=][rwxXst]*|[-+=][ugo])+)*",
    re.ASCII,
)
_WILDCARDS = frozenset("*?[")


class CopyTexts(Struct, frozen=True, kw_only=True):
    """A COPY with its variables expanded, as history tells it.

    Attributes:
        flags: that history tells ("--chown=a:b").
        sources: paths, then `<<NAME` for heredocs.
    """

    flags: list[str]
    sources: list[str]
    destination: str


class Copying:
    """One COPY or ADD being planned."""

    def __init__(
        self,
        copy: kinds.Copy,
        context: PlanContext,
        *,
        directory: str,
        expansion: Variables,
        source_of: Callable[[str], Vertex],
    ) -> None:
        self._copy = copy
        self._context = context
        self._word = expansion.word
        self._expansion = expansion
        self._source_of = source_of
        self._owner = self._word(copy.owner)
        self._mode = checked_mode(self._word(copy.mode))
        self._exclude = [self._word(pattern) for pattern in copy.exclude]
        self._sources = [self._word(source) for source in copy.sources]
        self._raw_destination = self._word(copy.destination)
        self._destination = absolute(directory, self._raw_destination)
        self._inputs: list[Vertex] = []

    @property
    def _keyword(self) -> str:
        return "ADD" if self._copy.is_add else "COPY"

    def texts(self) -> CopyTexts:
        """For history."""
        copy = self._copy
        flags = ["--parents"] if copy.parents else []
        flags += [f"--chown={self._owner}"] if self._owner else []
        flags += [f"--chmod={self._mode}"] if self._mode else []
        heredocs = [f"<<{heredoc.name}" for heredoc in copy.heredocs]
        return CopyTexts(
            flags=flags,
            sources=[*self._sources, *heredocs],
            destination=self._raw_destination,
        )

    @property
    def owner(self) -> str:
        """Value of `--chown`."""
        return self._owner

    @property
    def destination(self) -> str:
        """Where it goes, absolute."""
        return self._destination

    def operation(self, root: Vertex) -> tuple[FileOp, list[Vertex]]:
        """The operation and its inputs.

        Raises:
            DockerfileProblem: a destination that must be a directory and is none, or sources that
                cannot be had.
        """
        copy = self._copy
        self._inputs = [root]
        count = len(self._sources) + len(copy.heredocs)
        if not count:
            raise DockerfileProblem(f"{self._keyword} failed: no source files were specified")
        if self._context.is_classic and count > 1 and not self._destination.endswith("/"):
            raise DockerfileProblem(
                f"When using {self._keyword} with more than one source file, "
                "the destination must be a directory and end with a /"
            )
        actions: list[CopyAction | MakeFile] = []
        local: list[str] = []
        for source in self._sources:
            remote = self._remote(source) if copy.is_add else None
            if remote is None:
                local.append(source)
            else:
                actions.append(remote)
        self._check_checksum(local)
        if local:
            actions.insert(0, self._copied(local))
        actions += [self._written(heredoc.name, heredoc) for heredoc in copy.heredocs]
        return FileOp(actions=list(actions), linked=copy.linked), self._inputs

    def _check_checksum(self, local: Sequence[str]) -> None:
        if not self._copy.checksum:
            return
        if len(self._sources) != 1:
            raise DockerfileProblem("checksum can't be specified for multiple sources")
        if local:
            raise DockerfileProblem("checksum requires HTTP(S) or Git sources")

    def _copied(self, sources: list[str]) -> CopyAction:
        copy = self._copy
        unpack = copy.is_add if copy.unpack is None else copy.unpack
        return CopyAction(
            input=self._input(self._source_of(copy.from_)),
            sources=[below_root(source) for source in sources],
            destination=self._destination,
            owner=self._owner,
            mode=self._mode,
            exclude=self._exclude,
            unpack=unpack,
            parents=copy.parents,
            # BuildKit takes patterns that match nothing, the classic builder only beside others.
            allow_missing=not self._context.is_classic or len(sources) > 1,
        )

    def _remote(self, source: str) -> CopyAction | None:
        """ADD of something fetched, None for a path."""
        git = parse_git(source)
        checksum = self._word(self._copy.checksum)
        if git is not None:
            commit = check_commit(checksum or git.checksum) if checksum or git.checksum else ""
            keep = self._copy.keep_git_dir
            attributes = {"checksum": commit} if commit else {}
            if keep if keep is not None else git.keep_git_dir:
                attributes["keep_git_dir"] = "true"
            if git.submodules is False:
                attributes["submodules"] = "false"
            operation = SourceOp(identifier=git.identifier, attributes=attributes)
            return self._fetched(operation, f"[internal] load git source {source}", ["."])
        if not is_http(source):
            return None
        filename = url_filename(source)
        if not filename and self._destination.endswith("/"):
            raise DockerfileProblem(f"cannot determine filename for source {source[:200]}")
        attributes = {"filename": filename or "download", "mode": "0600"}
        if checksum:
            attributes["checksum"] = check_file_checksum(checksum)
        operation = SourceOp(identifier=source, attributes=attributes)
        name = attributes["filename"]
        return self._fetched(operation, source, [name], unpack=self._copy.unpack or False)

    def _fetched(
        self, operation: SourceOp, name: str, sources: list[str], *, unpack: bool = False
    ) -> CopyAction:
        vertex = self._context.source(operation, name)
        return CopyAction(
            input=self._input(vertex),
            sources=sources,
            destination=self._destination,
            owner=self._owner,
            mode=self._mode,
            exclude=self._exclude,
            unpack=unpack,
        )

    def _written(self, name: str, heredoc: Heredoc) -> MakeFile:
        text = self._expansion.heredoc(heredoc.text) if heredoc.is_expanded else heredoc.text
        path = self._destination
        return MakeFile(
            path=posixpath.join(path, name) if path.endswith("/") else path,
            data=text.encode(),
            mode=self._mode or "0644",
            owner=self._owner,
        )

    def _input(self, vertex: Vertex) -> int:
        for index, known in enumerate(self._inputs[1:], 1):
            if known.digest == vertex.digest:
                return index
        self._inputs.append(made(vertex))
        return len(self._inputs) - 1


def checked_mode(text: str) -> str:
    """A value of `--chmod`.

    Raises:
        DockerfileProblem: neither octal nor symbolic.
    """
    if text[:1].isdigit() and not _OCTAL.fullmatch(text):
        raise DockerfileProblem(
            f"invalid chmod parameter: '{text[:80]}'. it should be octal string and between 0 "
            "and 07777"
        )
    if text and not text[0].isdigit() and not _SYMBOLIC.fullmatch(text):
        raise DockerfileProblem(f"invalid chmod parameter: '{text[:80]}'. invalid syntax")
    return text


def absolute(directory: str, path: str) -> str:
    """A destination below a working directory; a slash at its end stays."""
    is_directory = path.endswith(("/", "/.", "/..")) or path in ("", ".", "..")
    clean = "/" + posixpath.normpath(posixpath.join("/", directory, path)).lstrip("/")
    return clean if clean == "/" or not is_directory else f"{clean}/"


def below_root(path: str) -> str:
    """A source path below the root of what it is copied from; ".." does not lead out.

    A pivot (`./`) and a slash at the end, which mean something, stay.
    """
    if "/./" in path:
        head, _, tail = path.partition("/./")
        return f"{below_root(head)}/./{below_root(tail)}"
    clean = posixpath.normpath(posixpath.join("/", path)).lstrip("/")
    return f"{clean}/" if path.endswith("/") and clean else clean or "."
