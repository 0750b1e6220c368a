"""The Dockerfile language and `.dockerignore`: bytes to values.

    parser.parse_dockerfile    bytes ─▶ statements (lines joined, flags and heredocs cut out)
    reading.read_instruction   statement ─▶ one of the Structs of instructions.py
    expansion.Expander         `$name`, `${name:-word}` … in their arguments
    mounts.parse_mount         the value of one RUN --mount
    ignore.IgnorePatterns      `.dockerignore`

Whatever is wrong raises `DockerfileProblem`, which knows the lines. Sizes are bounded: Dockerfiles
come from strangers. Source: Docker's Dockerfile reference; BuildKit's parser for its quirks.
"""
