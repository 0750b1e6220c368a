"""The long-running process: flags and config file, wiring, recovery, signals."""
