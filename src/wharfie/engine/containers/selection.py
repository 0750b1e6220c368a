"""Which containers a list shows: pure matching of typed filters. Source: behaviours 150, 216."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence

from wharfie.model.container import Container, Status
from wharfie.model.errors import InvalidArgument
from wharfie.model.filters import ContainerFilters, has_labels
from wharfie.model.lifecycle import is_running

_STATUSES = {status.value for status in Status}


def select(
    containers: Sequence[Container],
    filters: ContainerFilters,
    *,
    all_: bool,
    limit: int,
    find: Callable[[str], Container],
    descends: Callable[[Container, str], bool],
) -> list[Container]:
    """Containers newest first, filtered and cut to `limit`.

    Args:
        containers: all of them.
        filters: what is asked for.
        all_: also those that do not run.
        limit: at most this many (implies `all_`), 0 for no limit.
        find: resolves `before` and `since`; may raise NoSuchContainer.
        descends: tells whether a container's image is or descends from a reference.

    Raises:
        InvalidArgument: an unknown status or health state.
    """
    check(filters)
    before = [find(ref).created_at for ref in filters.before]
    since = [find(ref).created_at for ref in filters.since]
    shows_all = all_ or limit > 0 or bool(filters.statuses) or bool(before) or bool(since)
    chosen: list[Container] = []
    for container in sorted(containers, key=lambda c: c.created_at, reverse=True):
        if not (shows_all or is_running(container.state.status)):
            continue
        if before and container.created_at >= min(before):
            continue
        if since and container.created_at <= max(since):
            continue
        if not _matches(container, filters, descends):
            continue
        chosen.append(container)
        if limit > 0 and len(chosen) == limit:
            break
    return chosen


def check(filters: ContainerFilters) -> None:
    """Refuse values no container can have; InvalidArgument in Docker's words."""
    for status in filters.statuses:
        if status not in _STATUSES:
            raise InvalidArgument(f"invalid filter 'status={status}'")
    for health in filters.health:
        if health not in ("none", "starting", "healthy", "unhealthy"):
            raise InvalidArgument(f"invalid filter 'health={health}'")


def _matches(
    container: Container, filters: ContainerFilters, descends: Callable[[Container, str], bool]
) -> bool:
    state = container.state
    return (
        _any(filters.ids, container.id.startswith)
        and _any(filters.names, lambda want: _has_name(container.name, want))
        and has_labels(filters.labels, container.config.labels)
        and (not filters.statuses or state.status.value in filters.statuses)
        and (not filters.exited or _has_exited(container, filters.exited))
        and _any(filters.ancestors, lambda ref: descends(container, ref))
        and (not filters.health or _health(container) in filters.health)
        and _any(filters.volumes, lambda want: _has_volume(container, want))
        and _any(filters.networks, lambda want: _has_network(container, want))
        and _any(filters.publish, lambda want: _has_port(container.ports_published, want))
        and _any(filters.expose, lambda want: _has_port(container.ports_exposed, want))
    )


def _any(wanted: Sequence[str], accepts: Callable[[str], bool]) -> bool:
    return not wanted or any(accepts(want) for want in wanted)


def _has_name(name: str, want: str) -> bool:
    if want in (name, f"/{name}"):
        return True
    try:
        pattern = re.compile(want)
    except re.error:
        return False
    return pattern.search(name) is not None or pattern.search(f"/{name}") is not None


def _has_exited(container: Container, codes: Sequence[int]) -> bool:
    state = container.state
    ended = not is_running(state.status) and state.status is not Status.CREATED
    return ended and state.exit_code in codes


def _health(container: Container) -> str:
    health = container.state.health
    return "none" if health is None else health.status.value


def _has_volume(container: Container, want: str) -> bool:
    return any(want in (mount.name, mount.destination) for mount in container.mounts)


def _has_network(container: Container, want: str) -> bool:
    for name, attachment in container.networks.items():
        network_id = attachment.settings.network_id
        if want == name or (network_id and network_id.startswith(want)):
            return True
    return False


def _has_port(ports: Collection[str], want: str) -> bool:
    """Match "80", "80/tcp" or "8000-8010/udp" against "port/protocol" keys."""
    numbers, _, protocol = want.partition("/")
    first, _, last = numbers.partition("-")
    try:
        span = range(int(first), int(last or first) + 1)
    except ValueError:
        raise InvalidArgument(f"invalid port filter '{want}'") from None
    for port in ports:
        number, _, own = port.partition("/")
        if own == (protocol or "tcp") and int(number) in span:
            return True
    return False
