"""Rows of images and references; a reference names one image at most."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import msgspec

from wharfie.model.ids import ImageId
from wharfie.model.image import Image

_decoder = msgspec.json.Decoder(Image)


class SqliteImages:
    """See `model.store.ImageRepository`."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def put(self, image: Image) -> None:
        """Insert or replace an image; its references are taken from other images."""
        self._db.execute(
            "INSERT OR REPLACE INTO image(id, body) VALUES(?, ?)",
            (image.id, msgspec.json.encode(image)),
        )
        self._db.execute("DELETE FROM reference WHERE image_id = ?", (image.id,))
        rows = [(name, image.id, 0) for name in image.tags]
        rows += [(name, image.id, 1) for name in image.digests]
        self._db.executemany(
            "INSERT OR REPLACE INTO reference(name, image_id, by_digest) VALUES(?, ?, ?)", rows
        )

    def delete(self, image_id: ImageId) -> None:
        """Remove an image and its references."""
        self._db.execute("DELETE FROM image WHERE id = ?", (image_id,))
        self._db.execute("DELETE FROM reference WHERE image_id = ?", (image_id,))

    def all(self) -> Sequence[Image]:
        """Every image, its references as the reference table has them."""
        names: dict[str, tuple[list[str], list[str]]] = {}
        query = "SELECT name, image_id, by_digest FROM reference ORDER BY name"
        for name, image_id, by_digest in self._db.execute(query):
            names.setdefault(image_id, ([], []))[by_digest].append(name)
        images = [_decoder.decode(body) for (body,) in self._db.execute("SELECT body FROM image")]
        return [
            msgspec.structs.replace(
                image,
                tags=names.get(image.id, ([], []))[0],
                digests=names.get(image.id, ([], []))[1],
            )
            for image in images
        ]
