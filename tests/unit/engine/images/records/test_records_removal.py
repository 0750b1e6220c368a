from __future__ import annotations

import pytest

from wharfie.engine.images.records.catalog import Catalog
from wharfie.engine.images.records.removal import ImageUse, RemovalPlan, plan_removal
from wharfie.formats.oci.descriptor import Platform
from wharfie.formats.reference import familiar
from wharfie.model.errors import Conflict
from wharfie.model.ids import ImageId
from wharfie.model.image import Image, ImageDocument

DIGEST = "sha256:" + "d" * 64
CONTAINER = "c" * 64


def image_id(digits: str) -> ImageId:
    return ImageId("sha256:" + digits.ljust(64, "0"))


class World:
    """Images with names, parents, and containers that use them."""

    def __init__(self) -> None:
        self.catalog = Catalog(Platform(os="linux", architecture="amd64"))
        self.uses: dict[ImageId, list[ImageUse]] = {}

    def image(self, digits: str, *names: str, parent: str = "") -> None:
        canonical = [f"docker.io/library/{name}" for name in names]
        self.catalog.put(
            Image(
                id=image_id(digits),
                document=ImageDocument(parent=image_id(parent) if parent else ""),
                tags=[name for name in canonical if "@" not in name],
                digests=[name for name in canonical if "@" in name],
            )
        )

    def container(self, digits: str, *, running: bool) -> None:
        self.uses[image_id(digits)] = [ImageUse(CONTAINER, running)]

    def remove(self, ref: str, *, force: bool = False, prune: bool = True) -> RemovalPlan:
        return plan_removal(self.catalog, self.uses, ref, force=force, prune=prune)

    def refusal(self, ref: str, *, force: bool = False) -> str:
        with pytest.raises(Conflict) as caught:
            self.remove(ref, force=force)
        return str(caught.value)


@pytest.fixture
def world() -> World:
    return World()


def untagged(plan: RemovalPlan) -> list[str]:
    return [familiar(name) for _, name in plan.untag]


def test_one_of_several_names_is_untagged_only(world: World) -> None:
    world.image("a1", "app:1", "app:2")
    plan = world.remove("app:1")
    assert untagged(plan) == ["app:1"]
    assert plan.delete == []


def test_the_last_name_takes_the_image_along(world: World) -> None:
    world.image("a1", "app:latest")
    plan = world.remove("app")
    assert untagged(plan) == ["app:latest"]
    assert plan.delete == [image_id("a1")]


def test_digest_references_go_with_the_last_tag_of_their_repository(world: World) -> None:
    world.image("a1", "app:1", f"app@{DIGEST}", f"other@{DIGEST}")
    plan = world.remove("app:1")
    assert untagged(plan) == ["app:1", f"app@{DIGEST}"]
    assert plan.delete == []


def test_by_id_a_single_name_goes_along(world: World) -> None:
    world.image("a1", "app:1", f"app@{DIGEST}")
    plan = world.remove("a1")
    assert untagged(plan) == ["app:1", f"app@{DIGEST}"]
    assert plan.delete == [image_id("a1")]


def test_by_id_several_names_must_be_forced(world: World) -> None:
    world.image("a1", "app:1", "web:1")
    assert world.refusal("a1") == (
        "conflict: unable to delete a10000000000 (must be forced) - "
        "image is referenced in multiple repositories"
    )
    plan = world.remove("a1", force=True)
    assert untagged(plan) == ["app:1", "web:1"]
    assert plan.delete == [image_id("a1")]


def test_the_only_name_of_a_used_image_must_be_forced(world: World) -> None:
    world.image("a1", "app:latest")
    world.container("a1", running=False)
    assert world.refusal("app") == (
        'conflict: unable to remove repository reference "app" (must force) - container '
        "cccccccccccc is using its referenced image a10000000000"
    )
    plan = world.remove("app", force=True)
    assert untagged(plan) == ["app:latest"]
    assert plan.delete == [image_id("a1")]


def test_forced_by_name_a_running_containers_image_stays_nameless(world: World) -> None:
    world.image("a1", "app:latest")
    world.container("a1", running=True)
    plan = world.remove("app", force=True)
    assert untagged(plan) == ["app:latest"]
    assert plan.delete == []


def test_running_containers_cannot_be_overruled(world: World) -> None:
    world.image("a1", "app:latest")
    world.container("a1", running=True)
    expected = (
        "conflict: unable to delete a10000000000 (cannot be forced) - "
        "image is being used by running container cccccccccccc"
    )
    assert world.refusal("a1") == expected
    assert world.refusal("a1", force=True) == expected


def test_stopped_containers_must_be_forced(world: World) -> None:
    world.image("a1", "app:latest")
    world.container("a1", running=False)
    assert world.refusal("a1") == (
        "conflict: unable to delete a10000000000 (must be forced) - "
        "image is being used by stopped container cccccccccccc"
    )
    assert world.remove("a1", force=True).delete == [image_id("a1")]


def test_children_cannot_be_overruled(world: World) -> None:
    world.image("a1", "base:latest")
    world.image("b1", "app:latest", parent="a1")
    assert world.refusal("a1", force=True) == (
        "conflict: unable to delete a10000000000 (cannot be forced) - "
        "image has dependent child images"
    )


def test_untagging_a_parent_keeps_it_for_its_children(world: World) -> None:
    world.image("a1", "base:latest", "base:2")
    world.image("b1", "app:latest", parent="a1")
    assert world.remove("base:2").delete == []


def test_nameless_parents_go_along(world: World) -> None:
    world.image("a1")
    world.image("b1", parent="a1")
    world.image("c1", "app:latest", parent="b1")
    assert world.remove("app").delete == [image_id("c1"), image_id("b1"), image_id("a1")]
    assert world.remove("app", prune=False).delete == [image_id("c1")]


def test_named_or_used_parents_stay(world: World) -> None:
    world.image("a1", "base:latest")
    world.image("b1", "app:latest", parent="a1")
    assert world.remove("app").delete == [image_id("b1")]
    world.image("a1")
    world.container("a1", running=False)
    assert world.remove("app").delete == [image_id("b1")]
