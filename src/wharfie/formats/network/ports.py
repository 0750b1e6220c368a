"""Port grammars: `-p [ip:][hostPort[-end]:]containerPort[-end][/proto]` and `--expose`.

Source: Docker's `--publish` documentation; errors carry Docker's words.
"""

from __future__ import annotations

_PROTOCOLS = {"tcp", "udp", "sctp"}


class PortMapping:
    """One container port and the host address it is bound to; an empty `host_port` means any.

    `allow_from` are blocks of addresses that may reach it, none for everybody.
    """

    __slots__ = ("allow_from", "container", "host_ip", "host_port")

    def __init__(self, container: str, host_ip: str, host_port: str) -> None:
        self.container = container
        self.host_ip = host_ip
        self.host_port = host_port
        self.allow_from: list[str] = []


def split_allow(text: str) -> tuple[str, list[str]]:
    """Split `8080:80,allow-from=10.0.0.0/8` into what Docker knows, and the blocks.

    Raises:
        ValueError: not a block of addresses.
    """
    from ipaddress import ip_network  # noqa: PLC0415 - only when one is given

    words = text.split(",")
    blocks = [one.partition("=")[2] for one in words if one.startswith("allow-from=")]
    for block in blocks:
        try:
            ip_network(block, strict=False)
        except ValueError:
            raise ValueError(f"invalid allow-from: {block}") from None
    return ",".join(one for one in words if not one.startswith("allow-from=")), blocks


def split_protocol(text: str) -> tuple[str, str]:
    """Split `80/udp` into port and protocol; `tcp` when none is given."""
    port, slash, protocol = text.partition("/")
    return port, (protocol.lower() if slash and protocol else "tcp")


def parse_range(text: str) -> tuple[int, int]:
    """Read `80` or `80-90`.

    Raises:
        ValueError: in Docker's words.
    """
    if not text:
        raise ValueError("empty string specified for ports")
    first, dash, last = text.partition("-")
    start = _port(first)
    end = _port(last) if dash else start
    if end < start:
        raise ValueError(f"invalid range specified for port: {text}")
    return start, end


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise ValueError(f'strconv.ParseUint: parsing "{text}": invalid syntax')
    if int(text) > 65535:
        raise ValueError(f'strconv.ParseUint: parsing "{text}": value out of range')
    return int(text)


def is_ip(text: str) -> bool:
    """Tell whether the text is an IP address, as Go's net.ParseIP does (no zone)."""
    from ipaddress import ip_address  # noqa: PLC0415 - only when an address is given

    try:
        ip_address(text)
    except ValueError:
        return False
    return "%" not in text


def parse_publish(text: str) -> list[PortMapping]:
    """Read one `-p` value in its short form.

    Raises:
        ValueError: in Docker's words.
    """
    *address, last = text.split(":")
    host_port = address.pop() if address else ""
    ip = ":".join(address)
    ports, protocol = split_protocol(last)
    if ip.startswith("["):
        if not ip.endswith("]"):
            raise ValueError(f"invalid IP address {ip}: address {ip}:: missing ']' in address")
        ip = ip[1:-1]
    if ip and not is_ip(ip):
        raise ValueError(f"invalid IP address: {ip}")
    if not ports:
        raise ValueError(f"no port specified: {text}<empty>")
    try:
        start, end = parse_range(ports)
    except ValueError:
        raise ValueError(f"invalid containerPort: {ports}") from None
    if protocol not in _PROTOCOLS:
        raise ValueError(f"invalid proto: {protocol}")
    host_start, host_end = _host_range(host_port, ports, start, end)
    found = []
    for offset in range(end - start + 1):
        host = str(host_start + offset) if host_port else ""
        if host_port and start == end and host_start != host_end:
            host = f"{host}-{host_end}"
        found.append(PortMapping(f"{start + offset}/{protocol}", ip, host))
    return found


def _host_range(host_port: str, ports: str, start: int, end: int) -> tuple[int, int]:
    if not host_port:
        return 0, 0
    try:
        host_start, host_end = parse_range(host_port)
    except ValueError:
        raise ValueError(f"invalid hostPort: {host_port}") from None
    if end - start != host_end - host_start and end != start:
        raise ValueError(
            f"invalid ranges specified for container and host Ports: {ports} and {host_port}"
        )
    return host_start, host_end


def publish_text(text: str) -> str:
    """Turn the long form (`target=80,published=8080,protocol=tcp`) into the short one.

    Raises:
        ValueError: in Docker's words.
    """
    if "=" not in text:
        return text
    given = {"published": "", "target": "", "protocol": "tcp"}
    for field in text.split(","):
        key, equals, value = field.partition("=")
        if not equals or not key:
            raise ValueError(
                f"invalid publish opts format (should be name=value but got '{field}')"
            )
        given[key] = value
    return f"{given['published']}:{given['target']}/{given['protocol']}"


def parse_expose(text: str) -> list[str]:
    """Read one `--expose` value as `port/protocol` names.

    Raises:
        ValueError: in Docker's words.
    """
    if ":" in text:
        raise ValueError(f"invalid port format for --expose: {text}")
    ports, protocol = split_protocol(text)
    try:
        start, end = parse_range(ports)
    except ValueError as error:
        raise ValueError(f"invalid range format for --expose: {text}, error: {error}") from None
    if protocol not in _PROTOCOLS:
        raise ValueError(f"invalid proto: {protocol}")
    return [f"{number}/{protocol}" for number in range(start, end + 1)]
