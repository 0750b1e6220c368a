"""What is said once a build is over: warnings, errors with their lines, files of results."""

from __future__ import annotations

import sys

from wharfie.cli.output.values import mapping, number, text
from wharfie.formats.gojson import dumps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from wharfie.cli.building.job import Result
    from wharfie.cli.output.building.vertices import Vertices

_RULE = "-" * 20
_AROUND = 1
_LAST_LINES = 10


def failure_words(problem: Mapping[str, object]) -> str:
    """How BuildKit says what the daemon said."""
    detail = mapping(problem, "errorDetail")
    arguments = detail.get("arguments")
    if isinstance(arguments, list):
        command = " ".join(str(word) for word in arguments)
        code = number(detail, "code")
        return f'process "{command}" did not complete successfully: exit code: {code}'
    return text(problem, "error")


def show_failure(problem: Mapping[str, object], vertices: Vertices, name: str, data: bytes) -> None:
    """Print the failed step with its last words, the lines of the Dockerfile, and the error."""
    out = sys.stderr
    failed = vertices.failed()
    if failed is not None and failed.logs:
        out.write(f"------\n > {failed.name}:\n")
        words = b"".join(piece for _, piece in failed.logs[-64:]).decode(errors="replace")
        seconds = failed.logs[-1][0]
        for line in words.splitlines()[-_LAST_LINES:]:
            out.write(f"{seconds:.3f} {line}\n")
        out.write("------\n")
    excerpt = text(problem, "excerpt") or _excerpt(mapping(problem, "location"), name, data)
    if excerpt:
        out.write(excerpt.rstrip("\n") + "\n")
    out.write(f"ERROR: failed to build: failed to solve: {failure_words(problem)}\n")
    out.flush()


def _excerpt(location: Mapping[str, object], name: str, data: bytes) -> str:
    first, last = number(location, "start"), number(location, "end")
    if not first or not data:
        return ""
    lines = data.decode(errors="replace").splitlines()
    shown = [f"{name or 'Dockerfile'}:{first}", _RULE]
    for at in range(max(1, first - 2 * _AROUND), min(len(lines), last + 2 * _AROUND) + 1):
        mark = ">>>" if first <= at <= last else "   "
        shown.append(f"{at:4} | {mark} {lines[at - 1]}".rstrip())
    return "\n".join([*shown, _RULE])


def show_warnings(result: Result, prog: str) -> None:
    """Print what the linter found, and build arguments that nothing used."""
    out = sys.stderr
    if result.unused:
        names = " ".join(sorted(result.unused))
        out.write(f"[Warning] One or more build-args [{names}] were not consumed\n")
    found = result.warnings
    if found:
        many = "" if len(found) == 1 else "s"
        out.write(f"\n {len(found)} warning{many} found (use {prog} --debug to expand):\n")
        for one in found:
            line = number(mapping(one, "location"), "start")
            where = f" (line {line})" if line else ""
            out.write(f" - {text(one, 'rule')}: {text(one, 'detail')}{where}\n")
    out.flush()


def write_metadata(path: str, result: Result) -> None:
    """Write `--metadata-file`."""
    document: dict[str, object] = {
        "containerimage.config.digest": result.image,
        "containerimage.digest": result.image,
    }
    if result.names:
        document["image.name"] = ",".join(result.names)
    with open(path, "w", encoding="utf-8") as file:
        file.write(dumps(document, indent="  ") + "\n")
