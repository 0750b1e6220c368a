"""Images: resolve, load, save, import, list, tag, remove."""

from wharfie.engine.images.service import Images

__all__ = ["Images"]
