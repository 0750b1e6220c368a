"""Log files of tasks."""
