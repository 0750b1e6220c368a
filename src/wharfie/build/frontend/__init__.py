"""The Dockerfile frontend: text in, plan out; it runs nothing and reads nothing.

program    the file as stages          naming    how progress and history speak of steps
scope      ARG, ENV and their values   steps     RUN, COPY, ADD, WORKDIR as vertices
links      which stage needs what      stage     one stage, instruction by instruction
"""

from wharfie.build.frontend.dockerfile import DockerfileFrontend

__all__ = ["DockerfileFrontend"]
