"""`wharfie system check`: verify what is stored, and mend it."""

from __future__ import annotations

from wharfie.cli.command import Command
from wharfie.cli.output.values import number, sequence, text
from wharfie.client.daemon import stream_values
from wharfie.formats.gojson import dumps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from wharfie.cli.context import Context
    from wharfie.formats.pflag import Values

FLAGS = """
--format string  "json" prints one JSON object a finding, a summary last
--repair  Fetch or unpack again what is damaged
"""


def finding_lines(finding: Mapping[str, object]) -> str:
    """Spell a finding: what, whose, and what was or is to be done."""
    owners = ", ".join(str(name) for name in sequence(finding, "images"))
    state = "repaired" if finding.get("repaired") is True else "damaged"
    lines = [f"{state}: {text(finding, 'kind')} {text(finding, 'name')}"]
    if owners:
        lines.append(f"  of {owners}")
    lines.append(f"  {text(finding, 'problem')}")
    if text(finding, "remedy"):
        lines.append(f"  {text(finding, 'remedy')}")
    return "\n".join(lines)


def summary_line(summary: Mapping[str, object]) -> str:
    """Spell the end of a check."""
    line = f"{number(summary, 'blobs')} blobs and {number(summary, 'layers')} layers checked"
    if number(summary, "unverified"):
        line += f", {number(summary, 'unverified')} layers have no blob to compare with"
    found, repaired = number(summary, "findings"), number(summary, "repaired")
    return f"{line}: {found} damaged, {repaired} repaired" if found else f"{line}: all is well"


def run_check(context: Context, flags: Values) -> int:
    """Print findings as they come; 1 when something is still damaged."""
    query = {"repair": "1"} if flags.on("repair") else {}
    left = 0
    whole = False
    for message in stream_values(context.client.call("POST", "/system/check", query=query)):
        if not isinstance(message, dict):
            continue
        is_summary = message.get("type") == "summary"
        if is_summary:
            whole = True
            left = number(message, "findings") - number(message, "repaired")
        if flags.text("format") == "json":
            context.say(dumps(message))
        else:
            context.say(summary_line(message) if is_summary else finding_lines(message))
        context.flush()
    return 0 if whole and not left else 1


CHECK = Command(run_check, "Verify every stored blob and layer", flags=FLAGS)
