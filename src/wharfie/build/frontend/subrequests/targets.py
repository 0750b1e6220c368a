"""`--call=targets`: the stages that can be built, and what their comments say of them."""

from __future__ import annotations

import base64

import msgspec

from wharfie.build.frontend.program import Program
from wharfie.build.frontend.subrequests.table import comment_about, table


def targets_report(program: Program, dockerfile: bytes) -> dict[str, str]:
    """All stages, by name."""
    targets: list[dict[str, object]] = []
    rows: list[tuple[str, ...]] = []
    for stage in program.stages:
        origin = stage.origin
        is_default = stage is program.stages[-1]
        description = comment_about(origin.statement.comments, origin.alias)
        target: dict[str, object] = {"name": origin.alias} if origin.alias else {}
        if is_default:
            target["default"] = True
        if description:
            target["description"] = description
        target["base"] = origin.base
        if origin.platform:
            target["platform"] = origin.platform
        targets.append(target)
        if origin.alias or is_default:
            name = f"{origin.alias} (default)" if origin.alias and is_default else origin.alias
            rows.append((name or "(default)", description))
    document = {"targets": targets, "sources": [base64.b64encode(dockerfile).decode()]}
    return {
        "result.json": msgspec.json.format(msgspec.json.encode(document), indent=2).decode(),
        "result.txt": table(("TARGET", "DESCRIPTION"), rows, gap=2),
        "version": "1.0.0",
    }
