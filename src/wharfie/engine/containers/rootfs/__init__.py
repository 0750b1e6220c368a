"""Files and directories that belong to a container."""
