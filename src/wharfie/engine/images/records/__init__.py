"""Records of images: found by name and ID, changed in one place, held by leases, removed."""
