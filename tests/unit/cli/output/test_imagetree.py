"""`images --tree`, drawn; word for word beside Docker's client in tests/conformance/cli."""

from __future__ import annotations

from wharfie.cli.output.imagetree import Tree


def image(*tags: str, children: int = 0, used: bool = False) -> dict[str, object]:
    manifest = {
        "ID": "sha256:" + "b" * 64,
        "Kind": "image",
        "Available": True,
        "Size": {"Content": 1_130_000, "Total": 3_120_000},
        "ImageData": {
            "Platform": {"os": "linux", "architecture": "arm64", "variant": "v8"},
            "Containers": ["c"] if used else [],
        },
    }
    return {
        "Id": "sha256:" + "a" * 64,
        "RepoTags": list(tags),
        "Size": 1_980_000,
        "Manifests": [manifest] * children,
    }


def drawn(*images: dict[str, object], width: int = 80, untagged: bool = False) -> list[str]:
    text = Tree(width=width, colors=False).render(list(images), untagged=untagged)
    return text.splitlines()[4:]


def test_names_stand_above_each_other_and_platforms_below() -> None:
    assert drawn(image("x:1", "longer:1", children=2, used=True)) == [
        "x:1",
        "longer:1                aaaaaaaaaaaa       1.98MB         2.26MB   U    ",
        "├─ linux/arm64/v8       bbbbbbbbbbbb       3.12MB         1.13MB   U    ",
        "└─ linux/arm64/v8       bbbbbbbbbbbb       3.12MB         1.13MB   U    ",
        "",
    ]


def test_images_without_a_name_are_shown_on_request() -> None:
    assert drawn(image()) == []
    row = "<untagged>   aaaaaaaaaaaa       1.98MB             0B        "
    assert drawn(image(), untagged=True) == [row]


def test_what_has_no_room_goes_from_the_right() -> None:
    assert drawn(image("busybox:latest"), width=60) == [
        "busybox:latest   aaaaaaaaaaaa       1.98MB             0B"
    ]
    assert drawn(image("busybox:latest"), width=40) == ["busybox:lat…   aaaaaaaaaaaa       1.98MB"]


def test_attestations_are_no_platforms() -> None:
    shown = image("x:1", children=1)
    manifests = shown["Manifests"]
    assert isinstance(manifests, list)
    manifests[0] = {**manifests[0], "Kind": "attestation"}
    assert len(drawn(shown)) == 1
