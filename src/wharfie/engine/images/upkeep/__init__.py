"""Upkeep of what is stored: verifying it, and making room."""

from wharfie.engine.images.upkeep.checking import Checker, CheckMessage, Finding, Summary

__all__ = ["CheckMessage", "Checker", "Finding", "Summary"]
