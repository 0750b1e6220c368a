"""Attaching to the standard streams of a container."""
