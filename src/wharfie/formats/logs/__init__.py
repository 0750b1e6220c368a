"""Logs of containers as bytes: files that are read back, messages that are sent away."""
