"""The `--format` flags of listings and of single documents, and which format a listing uses."""

from __future__ import annotations

from wharfie.cli.context import Context
from wharfie.formats.pflag import Values

_REST = """|'json':             Print in JSON format
|'TEMPLATE':         Print output using the given Go template.
|Refer to https://docs.docker.com/go/formatting/ for more information about formatting output with templates
"""  # noqa: E501

LIST = f"""
--format string  Format output using a custom template:
|'table':            Print output in table format with column headers (default)
|'table TEMPLATE':   Print output in table format using the given Go template
{_REST}"""

DOCUMENT = f"""
-f, --format string  Format output using a custom template:
{_REST}"""

LONG_DOCUMENT = DOCUMENT.replace("-f, ", "")


def chosen(context: Context, flags: Values, setting: str) -> str:
    """Return the format of a listing: the flag, the user's configuration, or the table."""
    given = flags.text("format")
    if given:
        return given
    if flags.on("quiet"):
        return "table"
    return context.config.text(setting) or "table"
