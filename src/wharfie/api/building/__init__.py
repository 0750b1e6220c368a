"""`POST /build` in and out: its parameters, the classic stream of progress, and our own."""
