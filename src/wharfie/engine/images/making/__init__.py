"""Making images here: of a root file system (import), or of a container (commit)."""
