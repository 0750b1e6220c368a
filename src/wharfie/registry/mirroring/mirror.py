"""Mirroring all that is meant, one repository after the other; failures of one stop no other."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from msgspec import Struct

from wharfie.formats.digest import Digest
from wharfie.formats.reference import Reference, is_tag
from wharfie.model.errors import EngineError
from wharfie.model.registry import Credentials
from wharfie.registry.client import RemoteRegistries
from wharfie.registry.mirroring.copying import Copy, Outcome
from wharfie.registry.mirroring.selection import Selection


class Side(Struct, frozen=True):
    """A registry, asked as somebody; connections of the two sides are apart.

    Attributes:
        registries: asks it.
        credentials: of the user.
    """

    registries: RemoteRegistries
    credentials: Credentials


class Mirror:
    """Copies.

    Args:
        source: where from.
        target: where to.
        domain: the target's registry.
        prefix: repositories get there, "" for none.
        tell: a line of progress.
        jobs: blobs at a time.
        with_referrers: what refers to a manifest is copied too.
        is_rehearsal: tell what would be copied, and copy nothing.
    """

    def __init__(
        self,
        source: Side,
        target: Side,
        *,
        domain: str,
        prefix: str,
        tell: Callable[[str], None],
        jobs: int = 4,
        with_referrers: bool = True,
        is_rehearsal: bool = False,
    ) -> None:
        self._source = source
        self._target = target
        self._domain = domain
        self._prefix = prefix
        self._tell = tell
        self._jobs = asyncio.Semaphore(jobs)
        self._with_referrers = with_referrers
        self._is_rehearsal = is_rehearsal
        self._held: dict[str, str] = {}
        self.failures = 0
        self.copied = 0
        self.unchanged = 0
        self.sent = 0
        """Bytes of blobs."""

    async def run(self, selections: Sequence[Selection]) -> None:
        """Copy everything that is meant."""
        for selection in selections:
            try:
                names = await self._repositories(selection)
            except EngineError as error:
                self._fail(f"{selection.domain}/{selection.repository}", str(error))
                continue
            if not names:
                self._fail(f"{selection.domain}/{selection.repository}", "nothing matches")
            for name in names:
                await self._repository(selection, name)

    async def _repositories(self, selection: Selection) -> Sequence[str]:
        if not selection.is_pattern:
            return [selection.repository]
        registries, credentials = self._source.registries, self._source.credentials
        return selection.repositories(await registries.catalogue(selection.domain, credentials))

    async def _repository(self, selection: Selection, name: str) -> None:
        there = f"{self._prefix}/{name}" if self._prefix else name
        source = self._source.registries.repository(
            Reference(domain=selection.domain, path=name), self._source.credentials
        )
        target = self._target.registries.repository(
            Reference(domain=self._domain, path=there), self._target.credentials, push=True
        )
        copy = Copy(
            source,
            target,
            name=there,
            held=self._held,
            jobs=self._jobs,
            with_referrers=self._with_referrers,
        )
        if selection.digest:
            await self._one(f"{name}@{selection.digest}", copy, selection.digest)
            return
        try:
            tags = await source.tags()
        except EngineError as error:
            self._fail(name, str(error))
            return
        matches = selection.tag_matcher()
        chosen = [tag for tag in sorted(tags) if is_tag(tag) and matches(tag)]
        if not chosen:
            self._fail(name, "no tag matches")
        found: list[str] = []
        for tag in chosen:
            outcome = await self._one(f"{name}:{tag}", copy, tag)
            found.append(outcome.digest)
        if self._with_referrers and selection.tags:
            # cosign keeps signatures under tags named after what they sign.
            stems = tuple(digest.replace(":", "-", 1) + "." for digest in found if digest)
            for tag in sorted(set(tags) - set(chosen)):
                if stems and tag.startswith(stems):
                    await self._one(f"{name}:{tag}", copy, tag)
        self.sent += copy.totals.size

    async def _one(self, shown: str, copy: Copy, ref: str) -> Outcome:
        if self._is_rehearsal:
            self._tell(f"{shown}  would be copied")
            return Outcome(ref)
        before = copy.totals.size
        outcome = await (copy.digest(Digest(ref)) if ":" in ref else copy.tag(ref))
        if outcome.failure:
            self._fail(shown, outcome.failure)
        elif outcome.is_new:
            self.copied += 1
            self._tell(f"{shown}  {outcome.digest}  copied ({copy.totals.size - before} bytes)")
        else:
            self.unchanged += 1
            self._tell(f"{shown}  {outcome.digest}  unchanged")
        return outcome

    def _fail(self, shown: str, why: str) -> None:
        self.failures += 1
        self._tell(f"{shown}  FAILED: {why}")
