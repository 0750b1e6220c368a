"""A prune that is only told takes the same decisions as the real one, and changes nothing."""

from __future__ import annotations

from wharfie.engine.images.records.catalog import Catalog
from wharfie.engine.images.records.rehearsal import freed_by, rehearse
from wharfie.engine.images.records.removal import ImageUse
from wharfie.formats.oci.descriptor import Platform
from wharfie.model.filters import PruneFilters
from wharfie.model.ids import ChainId, ImageId
from wharfie.model.image import Image, ImageDocument

BASE, TOP, OTHER = (ImageId("sha256:" + letter * 64) for letter in "abc")


def catalog() -> Catalog:
    found = Catalog(Platform(os="linux", architecture="amd64"))
    found.put(Image(id=BASE, document=ImageDocument(), chain_ids=[ChainId("1")]))
    chains = [ChainId("1"), ChainId("2")]
    found.put(Image(id=TOP, document=ImageDocument(parent=BASE), chain_ids=chains))
    tags = ["docker.io/library/x:1", "docker.io/library/x:2"]
    found.put(Image(id=OTHER, document=ImageDocument(), chain_ids=[ChainId("1")], tags=tags))
    return found


def test_dangling_images_go_with_their_parents_but_shared_layers_stay() -> None:
    images = catalog()
    steps = rehearse(images, {}, PruneFilters())
    assert [step.plan.delete for step in steps] == [[TOP, BASE]]
    assert [step.chains for step in steps] == [[ChainId("2")]]
    assert freed_by(steps, lambda _: 10) == 10
    assert len(images) == 3


def test_all_unused_images_lose_every_name() -> None:
    steps = rehearse(catalog(), {}, PruneFilters(dangling=False))
    assert [name for step in steps for _, name in step.plan.untag] == [
        "docker.io/library/x:1",
        "docker.io/library/x:2",
    ]
    assert sorted(chain for step in steps for chain in step.chains) == ["1", "2"]


def test_what_a_container_uses_stays() -> None:
    uses = {TOP: [ImageUse("c" * 64, running=False)]}
    steps = rehearse(catalog(), uses, PruneFilters(dangling=False))
    assert [image_id for step in steps for image_id in step.plan.delete] == [OTHER]
    assert freed_by(steps, lambda _: 10) == 0
