"""Which networks a reference or a filter means. Pure. Source: behaviours 8, 148, 150."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from wharfie.engine.networks.defaults import PREDEFINED
from wharfie.model.errors import InvalidArgument, NoSuchNetwork
from wharfie.model.filters import NetworkFilters, has_labels
from wharfie.model.network import Network

_TYPES = ("custom", "builtin")


def find(networks: Iterable[Network], ref: str) -> Network:
    """By full ID, then full name, then unambiguous ID prefix.

    Raises:
        NoSuchNetwork: nothing matches.
        InvalidArgument: several IDs begin like this.
    """
    known = list(networks)
    for network in known:
        if network.id == ref:
            return network
    for network in known:
        if network.name == ref:
            return network
    matching = [network for network in known if ref and network.id.startswith(ref)]
    if not matching:
        raise NoSuchNetwork(ref)
    if len(matching) > 1:
        raise InvalidArgument(
            f"network {ref} is ambiguous ({len(matching)} matches found based on ID prefix)"
        )
    return matching[0]


def check_filters(filters: NetworkFilters) -> None:
    """Refuse values no filter has.

    Raises:
        InvalidArgument: an unknown type.
    """
    for kind in filters.types:
        if kind not in _TYPES:
            raise InvalidArgument(f"invalid filter: 'type'='{kind}'")


def matches(
    network: Network, filters: NetworkFilters, *, is_used: Callable[[Network], bool]
) -> bool:
    """Tell whether every given key of `filters` accepts a network."""
    kind = "builtin" if network.name in PREDEFINED else "custom"
    return (
        _is_any(filters.ids, network.id.startswith)
        and _is_any(filters.names, lambda want: want in network.name)
        and (not filters.drivers or network.driver in filters.drivers)
        and (not filters.scopes or network.scope in filters.scopes)
        and (not filters.types or kind in filters.types)
        and has_labels(filters.labels, network.labels)
        and (
            filters.dangling is None
            or filters.dangling == (kind == "custom" and not is_used(network))
        )
    )


def _is_any(wanted: list[str], test: Callable[[str], bool]) -> bool:
    return not wanted or any(test(want) for want in wanted)
