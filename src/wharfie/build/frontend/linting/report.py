"""Answers of a build that only checks: `result.json` and `result.txt`.

Source: BuildKit frontend/subrequests/lint, as `docker build --check` prints it.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence

import msgspec

from wharfie.formats.dockerfile.problem import excerpt
from wharfie.model.build.errors import DockerfileError
from wharfie.model.build.plan import BuildWarning, SourceRange


def check_report(
    dockerfile: bytes,
    filename: str,
    warnings: Sequence[BuildWarning],
    error: DockerfileError | None,
) -> dict[str, str]:
    """The findings as BuildKit answers them.

    Args:
        dockerfile: bytes of the file.
        filename: its name.
        warnings: findings, by line.
        error: why the build cannot be, None where it can.
    """
    lines = dockerfile.decode(errors="replace").split("\n")
    document: dict[str, object] = {
        "warnings": [_warning(warning) for warning in warnings] or None,
        "sources": [
            {
                "filename": filename,
                "language": "Dockerfile",
                "data": base64.b64encode(dockerfile).decode(),
            }
        ],
    }
    if error is not None:
        document["buildError"] = {
            "message": str(error),
            "location": _location(error.location),
        }
    encoded = msgspec.json.format(msgspec.json.encode(document), indent=2)
    return {
        "result.json": encoded.decode(),
        "result.txt": "".join(_text(warning, filename, lines) for warning in warnings),
        "result.statuscode": "1" if warnings or error else "0",
        "version": "1.0.0",
    }


def _warning(warning: BuildWarning) -> dict[str, object]:
    return {
        "ruleName": warning.rule,
        "description": warning.description,
        "url": warning.url,
        "detail": warning.detail,
        "location": _location(warning.location),
    }


def _location(location: SourceRange | None) -> dict[str, object]:
    if location is None:
        return {}
    lines = range(location.start, location.end + 1)
    return {"ranges": [{"start": {"line": line}, "end": {"line": line}} for line in lines]}


def _text(warning: BuildWarning, filename: str, lines: Sequence[str]) -> str:
    text = f"\nWARNING: {warning.rule} - {warning.url}\n{warning.detail}\n"
    if warning.location is None:
        return text
    return f"{text}{excerpt(filename, lines, warning.location.start, warning.location.end)}\n"
