"""What callers lend their builds: by the request itself, or over a connection of their own."""

from wharfie.build.session.connection import LentSession, Sessions
from wharfie.build.session.lending import CallerSession

__all__ = ["CallerSession", "LentSession", "Sessions"]
