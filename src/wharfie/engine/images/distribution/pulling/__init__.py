"""Pulling: from a reference to a recorded image.

    resolve (manifest, config) ─▶ layers side by side: download ─▶ verify ─▶ unpack ─▶ one row

Downloads are kept over failures and restarts; nothing else of an image exists before its row.
"""

from wharfie.engine.images.distribution.pulling.image import PullPorts
from wharfie.engine.images.distribution.pulling.puller import Puller, PullRequest

__all__ = ["PullPorts", "PullRequest", "Puller"]
