"""What `wharfie-registry` can be told: one module a command, each with `run(words) -> int`."""
