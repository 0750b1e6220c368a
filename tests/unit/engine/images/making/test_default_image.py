"""The image made of the host's own busybox."""

import io
import json
import tarfile
from pathlib import Path

from wharfie.engine.images.making.default_image import build_archive


def test_hard_links_have_the_mode_of_their_file(tmp_path: Path) -> None:
    """Docker gives a link's mode to the file: programs of another one could not be run there."""
    program = tmp_path / "busybox"
    program.write_text("#!/bin/sh\necho ls\necho sh\n")
    program.chmod(0o755)
    with tarfile.open(fileobj=io.BytesIO(build_archive(str(program), "box:1"))) as archive:
        found = archive.extractfile("manifest.json")
        assert found is not None
        (manifest,) = json.load(found)
        layer = archive.extractfile(manifest["Layers"][0])
        assert layer is not None
        with tarfile.open(fileobj=layer) as inside:
            links = [one for one in inside if one.islnk()]
    assert {one.name for one in links} == {"bin/ls", "bin/sh"}
    assert {one.mode for one in links} == {0o755}
