"""Image archives: loaded, saved, and what of them is here already."""
