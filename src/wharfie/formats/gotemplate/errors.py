"""The one error a template raises."""

from __future__ import annotations


class TemplateError(ValueError):
    """The template is broken, or does not fit the data; worded as Go words it.

    Attributes:
        partial: what was rendered before execution failed.
    """

    partial = ""


class FunctionError(ValueError):
    """A function refused its arguments; the executor adds where."""
