"""Changing files without running anything: COPY, ADD, WORKDIR, heredocs."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import assert_never

from wharfie.build.solver.keys import selection_of
from wharfie.build.solver.ownership import owner_of
from wharfie.build.solver.ports import SolverPorts
from wharfie.build.solver.refusals import missing_file
from wharfie.build.solver.results import DirectoryResult, Result, in_result
from wharfie.build.solver.trees import Trees
from wharfie.model.build.files import CopyPlan
from wharfie.model.build.graph import CopyAction, FileOp, MakeDirectory, MakeFile
from wharfie.model.errors import NotFound
from wharfie.model.snapshot import StepWriter


class FileWork:
    """Carries out file operations in a mounted root, by jail workers."""

    def __init__(self, ports: SolverPorts, trees: Trees) -> None:
        self._ports = ports
        self._trees = trees

    async def run(self, operation: FileOp, inputs: Sequence[Result], writer: StepWriter) -> None:
        """Carry out all actions, one after the other.

        Raises:
            EngineError: what is copied is not there, or cannot go where it is to go.
        """
        for action in operation.actions:
            # A mount each: a copy may have written past the one before.
            root = await writer.mount()
            try:
                await self._act(action, inputs, root, writer)
            finally:
                os.close(root)

    async def _act(
        self,
        action: CopyAction | MakeDirectory | MakeFile,
        inputs: Sequence[Result],
        root: int,
        writer: StepWriter,
    ) -> None:
        files = self._ports.files
        owner = owner_of(root, action.owner)
        match action:
            case CopyAction():
                plan = _plan(action, inputs[action.input], owner)
                await self._copy(action, plan, inputs[action.input], root, writer.directory)
            case MakeDirectory():
                await files.make_directory(
                    root, action.path, mode=action.mode, owner=owner or (0, 0)
                )
            case MakeFile():
                await files.write_file(
                    root, action.path, action.data, mode=action.mode, owner=owner or (0, 0)
                )
            case _:
                assert_never(action)

    async def _copy(
        self, action: CopyAction, plan: CopyPlan, source: Result, root: int, layer: str
    ) -> None:
        try:
            async with self._trees.opened(source) as tree:
                await self._ports.files.copy(tree, root, plan, layer=layer)
        except NotFound as error:
            raise missing_file(error.message, is_add=action.unpack) from None


def _plan(action: CopyAction, source: Result, owner: tuple[int, int] | None) -> CopyPlan:
    is_context = isinstance(source, DirectoryResult)
    return CopyPlan(
        selection=in_result(source, selection_of(action)),
        destination=action.destination,
        owner=owner,
        root_owned=is_context,
        mode=action.mode,
        contents=action.contents,
        unpack=action.unpack,
        # Files of a context are links into the store of contents.
        hard_links=not is_context,
    )
