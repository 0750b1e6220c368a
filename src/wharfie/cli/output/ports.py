"""The PORTS column: consecutive ports grouped into ranges."""

from __future__ import annotations

from wharfie.cli.output.values import number, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


class _Range:
    __slots__ = ("first", "last")

    def __init__(self, first: int, last: int) -> None:
        self.first = first
        self.last = last


def _order(port: Mapping[str, object]) -> tuple[int, str, int, str]:
    return (
        number(port, "PrivatePort"),
        text(port, "IP"),
        number(port, "PublicPort"),
        text(port, "Type"),
    )


def ports_text(ports: list[Mapping[str, object]]) -> str:
    """Return `0.0.0.0:80-81->80-81/tcp, 443/tcp`."""
    groups: dict[str, _Range] = {}
    order: list[str] = []
    fixed: list[str] = []
    finished: list[str] = []
    for port in sorted(ports, key=_order):
        private, public = number(port, "PrivatePort"), number(port, "PublicPort")
        ip, protocol = text(port, "IP"), text(port, "Type")
        key = protocol
        if ip:
            if public != private:
                fixed.append(f"{_address(ip, str(public))}->{private}/{protocol}")
                continue
            key = f"{ip}/{protocol}"
        group = groups.get(key)
        if group is None:
            groups[key] = _Range(private, private)
            order.append(key)
        elif private == group.last + 1:
            group.last = private
        elif private != group.last:
            finished.append(_group_text(key, group))
            groups[key] = _Range(private, private)
    finished += [_group_text(key, groups[key]) for key in order]
    return ", ".join(finished + fixed)


def _address(ip: str, port: str) -> str:
    return f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"


def _group_text(key: str, group: _Range) -> str:
    ip, slash, protocol = key.rpartition("/")
    numbers = str(group.first) if group.first == group.last else f"{group.first}-{group.last}"
    if slash:
        numbers = f"{_address(ip, numbers)}->{numbers}"
    return f"{numbers}/{protocol}"
