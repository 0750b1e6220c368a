"""Where layers lie on the host, for the inspect fields that show it (behaviours 142)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from wharfie.model.container import Container
from wharfie.model.errors import NotFound
from wharfie.model.ids import SnapshotKey
from wharfie.model.image import Image
from wharfie.model.snapshot import Snapshotter


class SnapshotGraph:
    """Answers from the snapshotter. See `api.services.Graph`."""

    def __init__(self, snapshotter: Snapshotter) -> None:
        self._snapshotter = snapshotter

    def container(self, container: Container) -> Mapping[str, str] | None:
        """GraphDriver.Data of a container, None when it has no snapshot."""
        try:
            paths = self._snapshotter.paths(SnapshotKey(container.id))
        except NotFound:
            return None
        return {
            "LowerDir": ":".join(paths.lower),
            "MergedDir": paths.merged,
            "UpperDir": paths.upper,
            "WorkDir": paths.work,
        }

    def image(self, image: Image) -> Mapping[str, str] | None:
        """GraphDriver.Data of an image: its top layer is the upper one."""
        found = [self._snapshotter.layer(chain_id) for chain_id in image.chain_ids]
        directories = [self._snapshotter.layer_directory(layer) for layer in found if layer]
        if not directories:
            return None
        data = {"UpperDir": directories[-1]}
        if len(directories) > 1:
            data["LowerDir"] = ":".join(reversed(directories[:-1]))
        return data

    def layer_sizes(self, image: Image) -> Sequence[int]:
        """Bytes of an image's layers, base first; 0 for one that is gone."""
        found = [self._snapshotter.layer(chain_id) for chain_id in image.chain_ids]
        return [layer.size if layer else 0 for layer in found]
