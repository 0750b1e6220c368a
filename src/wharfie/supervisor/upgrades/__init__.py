"""A new supervisor takes over from the one that runs."""
