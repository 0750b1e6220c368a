"""What upkeep did, for whoever asked and for the log."""

from __future__ import annotations

from msgspec import Struct, field

from wharfie.formats.units import human_size

_MOST = 1000


class Report(Struct, omit_defaults=True):
    """Counts of one run.

    Attributes:
        tags: deleted by retention, "repository:tag".
        broken: digests whose bytes are not theirs any more.
        problems: what could not be looked at, and was therefore left alone.
        kept: would have gone, but somebody was using it.
        dry_run: nothing was changed.
    """

    repositories: int = 0
    manifests: int = 0
    links: int = 0
    blobs: int = 0
    freed: int = 0
    uploads: int = 0
    kept: int = 0
    checked: int = 0
    tags: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    dry_run: bool = False
    seconds: float = 0.0

    def problem(self, text: str) -> None:
        """Note something that could not be looked at."""
        if len(self.problems) < _MOST:
            self.problems.append(text)

    def __str__(self) -> str:
        """One line."""
        parts = [
            f"{self.repositories} repositories",
            f"{self.manifests} manifests, {self.links} links and {self.blobs} blobs "
            f"{'would go' if self.dry_run else 'removed'}, {human_size(self.freed)}",
        ]
        for count, what in (
            (len(self.tags), "tags retired"),
            (self.uploads, "uploads swept"),
            (self.kept, "in use"),
            (self.checked, "checked"),
            (len(self.broken), "BROKEN"),
            (len(self.problems), "problems"),
        ):
            if count:
                parts.append(f"{count} {what}")
        return f"{'; '.join(parts)} ({self.seconds:.1f} s)"
