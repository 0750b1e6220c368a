"""Start, end, restart, removal, and recovery of containers."""
