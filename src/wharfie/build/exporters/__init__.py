"""What becomes of a solved build: an image of the store, its layers squashed if that is wanted."""

from wharfie.build.exporters.images import StoreExporter
from wharfie.build.exporters.squashing import Squasher

__all__ = ["Squasher", "StoreExporter"]
