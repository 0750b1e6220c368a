"""Image archives made to measure: docker-archives, image layouts, and broken ones."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence

from wharfie.formats.oci.archive import IMAGE_NAME
from wharfie.formats.oci.descriptor import OCI_CONFIG, OCI_INDEX, OCI_LAYER, OCI_MANIFEST


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def tar(files: Mapping[str, bytes | tarfile.TarInfo]) -> bytes:
    """A tar of files (bytes) and ready-made members."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, content in files.items():
            if isinstance(content, tarfile.TarInfo):
                archive.addfile(content)
                continue
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def member(name: str, kind: bytes, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type = kind
    info.linkname = link
    return info


def config(layers: Sequence[bytes], **members: object) -> bytes:
    """An image config; `layers` are uncompressed tars."""
    document = {
        "architecture": "amd64",
        "os": "linux",
        "created": "2026-01-01T00:00:00Z",
        "config": {"Cmd": ["sh"], "Env": None, "Labels": {"made": "here"}},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{sha256(layer)}" for layer in layers]},
        "history": [{"created": "2026-01-01T00:00:00Z", "created_by": "test"} for _ in layers],
    }
    return json.dumps(document | members).encode()


def docker_archive(
    layers: Sequence[bytes],
    tags: Sequence[str] | None = ("test:latest",),
    *,
    image_config: bytes | None = None,
    stored: Sequence[bytes] | None = None,
) -> bytes:
    """A docker-archive in the old shape; `stored` are the layers as they stand in it."""
    document = image_config if image_config is not None else config(layers)
    names = [f"{sha256(layer)}{number}/layer.tar" for number, layer in enumerate(layers)]
    entry = {"Config": f"{sha256(document)}.json", "RepoTags": tags, "Layers": names}
    files = dict(zip(names, stored or layers, strict=True))
    return tar(
        {
            f"{sha256(document)}.json": document,
            **files,
            "manifest.json": json.dumps([entry]).encode(),
        }
    )


def descriptor(media_type: str, data: bytes, **members: object) -> dict[str, object]:
    return {
        "mediaType": media_type,
        "digest": f"sha256:{sha256(data)}",
        "size": len(data),
        **members,
    }


def layout_image(layers: Sequence[bytes], image_config: bytes) -> tuple[bytes, dict[str, bytes]]:
    """An image's manifest, and all its blobs by path."""
    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": descriptor(OCI_CONFIG, image_config),
            "layers": [descriptor(OCI_LAYER, layer) for layer in layers],
        }
    ).encode()
    blobs = {f"blobs/sha256/{sha256(data)}": data for data in (manifest, image_config, *layers)}
    return manifest, blobs


def layout(entries: Sequence[dict[str, object]], blobs: Mapping[str, bytes]) -> bytes:
    """An image layout with the given index entries."""
    index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": list(entries)}
    return tar(
        {
            **blobs,
            "index.json": json.dumps(index).encode(),
            "oci-layout": b'{"imageLayoutVersion":"1.0.0"}',
        }
    )


def named(manifest: bytes, name: str, **members: object) -> dict[str, object]:
    """An index entry of an image with a name."""
    return descriptor(OCI_MANIFEST, manifest, annotations={IMAGE_NAME: name}, **members)
