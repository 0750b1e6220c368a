"""1.51: lists of images count their containers."""

from __future__ import annotations

from wharfie.api.compat.change import IMAGE_LIST, Change, items


def _images(reply: object) -> object:
    for image in items(reply):
        image["Containers"] = -1
    return reply


CHANGE = Change(version=(1, 51), replies={IMAGE_LIST: _images})
