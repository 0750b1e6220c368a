"""What becomes of a solved build: an image of the store, or a root file system for the caller."""

from wharfie.build.exporters.images import StoreExporter

__all__ = ["StoreExporter"]
