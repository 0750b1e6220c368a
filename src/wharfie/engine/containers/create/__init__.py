"""From a create request to a stored container."""
