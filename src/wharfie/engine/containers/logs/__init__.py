"""Log drivers as a container's creator sees them: options, tags, where output goes."""
