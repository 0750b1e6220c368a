"""Exec: further processes in running containers."""

from wharfie.engine.exec.service import Execs, ExecStart

__all__ = ["ExecStart", "Execs"]
