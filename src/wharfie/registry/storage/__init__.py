"""What a registry keeps, over a byte store.

`layout.py` draws the tree; `content.py` puts the nouns together: blobs, uploads, manifests, tags,
referrers, the catalogue. `pins.py` is what lets garbage be collected while others push.
"""

from wharfie.registry.storage.content import Content, open_content

__all__ = ["Content", "open_content"]
