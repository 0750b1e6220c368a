"""Refusals in Docker's words."""

from __future__ import annotations

from wharfie.model.errors import InvalidArgument


def missing_file(path: str, *, is_add: bool = False) -> InvalidArgument:
    """What is copied is not there."""
    instruction = "ADD" if is_add else "COPY"
    if any(char in path for char in "*?["):
        return InvalidArgument(f"{instruction} failed: no source files were specified")
    return InvalidArgument(
        f"{instruction} failed: file not found in build context or excluded by .dockerignore: "
        f"stat {path}: file does not exist"
    )
