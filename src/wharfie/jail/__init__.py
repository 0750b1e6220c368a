"""Short-lived single-purpose worker processes that touch hostile file systems and archives.

A *zygote* (`zygote.py`), started once by the daemon, forks a *worker* (`worker.py`) per job. The
worker shuts itself in (`confine.py`): chroot, few capabilities, a system call filter, limits;
then it does the one job it was sent over its control socket (`protocol.py`) and exits.
"""
