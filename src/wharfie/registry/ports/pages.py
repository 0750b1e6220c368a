"""Pages: what a registry answers outside /v2/ (token endpoint, metrics, health, web page)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from wharfie.web.reply import Reply
from wharfie.web.request import Request

Page = Callable[[Request], Awaitable[Reply]]
"""Answers requests to one path, or to all below one that ends with a slash."""
