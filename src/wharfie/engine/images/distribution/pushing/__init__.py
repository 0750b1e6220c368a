"""Pushing: an image's layers, config and manifest to a registry.

plan (the manifest it came with, or a new one) ─▶ layers side by side: there? mount? upload
─▶ config ─▶ manifest under its tag ─▶ digest recorded
"""

from wharfie.engine.images.distribution.pushing.image import PushPorts
from wharfie.engine.images.distribution.pushing.pusher import Pusher, PushRequest

__all__ = ["PushPorts", "PushRequest", "Pusher"]
