"""Images from and to registries: pulled, pushed, searched, asked about."""
