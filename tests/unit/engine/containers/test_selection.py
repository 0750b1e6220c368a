"""Which containers a list shows."""

from __future__ import annotations

import pytest
from msgspec import structs

from wharfie.engine.containers.selection import select
from wharfie.model.container import Config, Container, HostConfig, State, Status
from wharfie.model.errors import InvalidArgument
from wharfie.model.filters import ContainerFilters, LabelMatch
from wharfie.model.ids import ContainerId, ImageId
from wharfie.model.network import PortBinding

RUNNING = Container(
    id=ContainerId("aa" * 32),
    name="web-foobar",
    created="2026-01-01T00:00:00.000000000Z",
    created_at=2,
    path="true",
    args=[],
    config=Config(labels={"tier": "front"}, exposed_ports={"443/tcp": {}}),
    host_config=HostConfig(port_bindings={"80/tcp": [PortBinding("", "8080")]}),
    image=ImageId("sha256:1"),
    image_ref="busybox",
    state=State(status=Status.RUNNING, pid=1),
)
EXITED = structs.replace(
    RUNNING,
    id=ContainerId("bb" * 32),
    name="db",
    created_at=1,
    config=Config(),
    host_config=HostConfig(),
    state=State(status=Status.EXITED, exit_code=3),
)
NEWEST = structs.replace(EXITED, id=ContainerId("cc" * 32), name="new", created_at=3, state=State())


def names(
    filters: ContainerFilters | None = None, *, all_: bool = False, limit: int = 0
) -> list[str]:
    everything = [RUNNING, EXITED, NEWEST]
    chosen = select(
        everything,
        filters or ContainerFilters(),
        all_=all_,
        limit=limit,
        find=lambda ref: next(c for c in everything if c.name == ref),
        descends=lambda container, ref: container.image_ref == ref,
    )
    return [container.name for container in chosen]


def test_only_running_ones_are_shown_unless_all_is_asked_for() -> None:
    assert names() == ["web-foobar"]
    assert names(all_=True) == ["new", "web-foobar", "db"]


def test_a_limit_counts_from_the_newest_and_implies_all() -> None:
    assert names(limit=2) == ["new", "web-foobar"]


def test_a_status_filter_implies_all() -> None:
    assert names(ContainerFilters(statuses=["exited", "created"])) == ["new", "db"]


def test_an_unknown_status_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="invalid filter 'status=stopped'"):
        names(ContainerFilters(statuses=["stopped"]))


@pytest.mark.parametrize("want", ["foo", "^/web-", "^web-foobar$", "/web-foobar", "web-foobar"])
def test_names_match_as_regular_expressions_with_and_without_slash(want: str) -> None:
    assert names(ContainerFilters(names=[want])) == ["web-foobar"]


def test_a_broken_expression_matches_nothing() -> None:
    assert names(ContainerFilters(names=["web["]), all_=True) == []


def test_exited_matches_codes_of_ended_containers_only() -> None:
    assert names(ContainerFilters(exited=[0]), all_=True) == []
    assert names(ContainerFilters(exited=[3]), all_=True) == ["db"]


def test_labels_must_all_match() -> None:
    both = [LabelMatch("tier"), LabelMatch("tier", "front")]
    assert names(ContainerFilters(labels=both)) == ["web-foobar"]
    assert names(ContainerFilters(labels=[LabelMatch("tier", "back")])) == []


@pytest.mark.parametrize(("want", "found"), [("80", True), ("80-90/tcp", True), ("80/udp", False)])
def test_published_ports_match_by_number_range_and_protocol(want: str, found: bool) -> None:
    assert bool(names(ContainerFilters(publish=[want]))) is found


def test_exposed_ports_include_published_ones() -> None:
    assert names(ContainerFilters(expose=["443"])) == ["web-foobar"]
    assert names(ContainerFilters(expose=["80"])) == ["web-foobar"]


def test_before_and_since_compare_creation() -> None:
    assert names(ContainerFilters(before=["new"])) == ["web-foobar", "db"]
    assert names(ContainerFilters(since=["db"])) == ["new", "web-foobar"]


def test_an_id_prefix_and_an_ancestor_match() -> None:
    assert names(ContainerFilters(ids=["bb"]), all_=True) == ["db"]
    assert names(ContainerFilters(ancestors=["busybox"])) == ["web-foobar"]
