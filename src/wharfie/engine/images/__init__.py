"""Images: resolve, load, save, import, list, tag, remove."""

from wharfie.engine.images.making.committing import LayerCommit
from wharfie.engine.images.service import Deletion, Images, ImageUse

__all__ = ["Deletion", "ImageUse", "Images", "LayerCommit"]
