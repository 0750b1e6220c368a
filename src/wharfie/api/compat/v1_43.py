"""1.43: containers have annotations; untagged images have empty lists, not `<none>:<none>`."""

from __future__ import annotations

from wharfie.api.bodies import Document
from wharfie.api.compat.change import CREATE, IMAGE_LIST, Change, drop, items, member


def _create(document: Document) -> None:
    drop(member(document, "HostConfig"), "Annotations")


def _images(reply: object) -> object:
    for image in items(reply):
        if not image.get("RepoTags") and not image.get("RepoDigests"):
            image["RepoTags"] = ["<none>:<none>"]
            image["RepoDigests"] = ["<none>@<none>"]
    return reply


CHANGE = Change(version=(1, 43), documents={CREATE: _create}, replies={IMAGE_LIST: _images})
