"""Flags of instructions: `--name=value`, `--name` for switches.

Source: Dockerfile reference; BuildKit frontend/dockerfile/instructions for the words of errors.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from wharfie.formats.dockerfile.problem import DockerfileProblem
from wharfie.formats.dockerfile.suggestion import did_you_mean


class Flags:
    """The flags of one statement, read by name."""

    def __init__(
        self,
        words: Sequence[str],
        *,
        texts: Iterable[str] = (),
        lists: Iterable[str] = (),
        switches: Iterable[str] = (),
    ) -> None:
        """Sort the flags given.

        Raises:
            DockerfileProblem: one is unknown, given twice, or lacks a sensible value.
        """
        texts, lists, switches = frozenset(texts), frozenset(lists), frozenset(switches)
        known = sorted(texts | lists | switches)
        self._values: dict[str, list[str]] = {}
        for word in words:
            name, equals, value = word.removeprefix("--").partition("=")
            if name not in known:
                raise DockerfileProblem(f"unknown flag: --{name[:80]}{did_you_mean(name, known)}")
            if name in self._values and name not in lists:
                raise DockerfileProblem(f"duplicate flag specified: --{name}")
            if name in switches:
                value = _switch(name, value) if equals else "true"
            elif not equals:
                raise DockerfileProblem(f"missing a value on flag: --{name}")
            self._values.setdefault(name, []).append(value)

    def text(self, name: str) -> str:
        """Value of a flag, "" where it is not given."""
        return self._values.get(name, [""])[0]

    def texts(self, name: str) -> list[str]:
        """Values of a flag that may stand several times."""
        return self._values.get(name, [])

    def switch(self, name: str) -> bool | None:
        """Whether a switch is on, None where it is not given."""
        return self.text(name) == "true" if name in self._values else None


def _switch(name: str, value: str) -> str:
    if value.lower() not in ("true", "false"):
        raise DockerfileProblem(f"expecting boolean value for flag --{name}, not: {value}")
    return value.lower()
