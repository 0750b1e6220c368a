"""Standard streams of tasks: pipes, ttys, attached clients."""
