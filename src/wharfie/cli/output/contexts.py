"""The rows of `context ls` and `remote ls`."""

from __future__ import annotations

from wharfie.cli.output.template import Listing
from wharfie.cli.output.values import ellipsis, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    Item = Mapping[str, object]

_LONGEST_DESCRIPTION = 70


def contexts() -> Listing:
    """Return how contexts are listed."""
    return Listing(
        "*formatter.clientContextContext",
        "{{.Name}}{{if .Current}} *{{end}}\t{{.Description}}\t{{.DockerEndpoint}}\t{{.Error}}",
        {
            "Current": ("", lambda item: item.get("Current") is True),
            "Description": (
                "DESCRIPTION",
                lambda item: ellipsis(text(item, "Description"), _LONGEST_DESCRIPTION),
            ),
            "DockerEndpoint": ("DOCKER ENDPOINT", lambda item: text(item, "Host")),
            "Error": ("ERROR", lambda item: text(item, "Error")),
            "Name": ("NAME", lambda item: text(item, "Name")),
        },
    )


def clients() -> Listing:
    """Return how the clients of a daemon are listed."""
    return Listing(
        "*formatter.clientContext",
        "{{.Name}}\t{{.State}}\t{{.Certificates}}\t{{.Bundle}}",
        {
            "Bundle": ("BUNDLE", lambda item: text(item, "Bundle")),
            "Certificates": ("CERTIFICATES", lambda item: text(item, "Certificates")),
            "Name": ("NAME", lambda item: text(item, "Name")),
            "State": ("STATE", lambda item: text(item, "State")),
        },
    )
