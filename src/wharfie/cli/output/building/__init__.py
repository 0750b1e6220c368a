"""Progress of a build, as BuildKit's clients draw it: plain lines, a terminal, raw JSON."""
