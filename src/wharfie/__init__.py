"""Wharfie: a container engine that speaks the Docker Engine API.

The folders are the layers: `cli` and `daemon` on top, then `client` and `api`, `engine`,
`drivers` and `state`, `supervisor` and `jail`, `web`, `pki` and `wire`, `model` and `kernel`,
`formats`. A request flows down, an event flows up; no layer imports one above it.
"""

__version__ = "0.1.0"
