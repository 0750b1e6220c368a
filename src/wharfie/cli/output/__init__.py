"""What commands print: aligned tables, rows by template, progress."""
