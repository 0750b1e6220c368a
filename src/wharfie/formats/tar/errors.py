"""The one error of the tar reader."""

from __future__ import annotations


class FormatError(ValueError):
    """The bytes are no tar archive, or a damaged or unsupported one; the text says where."""
