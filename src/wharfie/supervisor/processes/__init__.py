"""Starting processes through the runtime and reaping them."""
