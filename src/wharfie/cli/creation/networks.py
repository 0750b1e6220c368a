"""`--network` in its short and long form, and the flags that refine the first network."""

from __future__ import annotations

from wharfie.cli.errors import CommandError
from wharfie.formats.fields import split_fields
from wharfie.formats.pflag import Values, parse_int

_BUILT_IN = {"default", "bridge", "host", "none", ""}


class Attachment:
    """One network a container is to join."""

    __slots__ = (
        "aliases",
        "driver_options",
        "gateway_priority",
        "ip",
        "ip6",
        "link_local",
        "links",
        "mac",
        "target",
    )

    def __init__(self, target: str) -> None:
        self.target = target
        self.aliases: list[str] = []
        self.driver_options: dict[str, str] = {}
        self.gateway_priority = 0
        self.ip = ""
        self.ip6 = ""
        self.link_local: list[str] = []
        self.links: list[str] = []
        self.mac = ""

    @property
    def is_user_defined(self) -> bool:
        """Whether it is none of Docker's own networks or modes."""
        return self.target not in _BUILT_IN and not self.target.startswith("container:")


def parse_network(text: str) -> Attachment:
    """Read one `--network` value.

    Raises:
        ValueError: in Docker's words.
    """
    if "=" not in text:
        return Attachment(text)
    found = Attachment("")
    for field in split_fields(text):
        key, equals, value = field.strip().partition("=")
        key = key.strip().lower()
        if not equals or not key:
            raise ValueError(f"invalid field {field}")
        _take(found, key, value.strip())
    if not found.target:
        raise ValueError("network name/id is not specified")
    return found


def _take(found: Attachment, key: str, value: str) -> None:
    if key == "name":
        found.target = value
    elif key == "alias":
        found.aliases.append(value)
    elif key == "driver-opt":
        name, equals, option = value.partition("=")
        if not equals or not name:
            raise ValueError("invalid key value pair format in driver options")
        found.driver_options[name.strip().lower()] = option.strip()
    elif key == "gw-priority":
        found.gateway_priority = _priority(value)
    elif key == "ip":
        found.ip = value
    elif key == "ip6":
        found.ip6 = value
    elif key == "mac-address":
        found.mac = value
    elif key == "link-local-ip":
        found.link_local.append(value)
    else:
        raise ValueError(f"invalid field key {key}")


def _priority(text: str) -> int:
    try:
        return parse_int(text)
    except ValueError as error:
        raise ValueError(f"invalid gw-priority ({text}): {error}") from None


def attachments(flags: Values) -> list[Attachment]:
    """Return the networks to join, the refining flags applied to the first.

    Raises:
        CommandError: in Docker's words.
    """
    given = [*flags.objects("network"), *flags.objects("net")]
    found = [item for item in given if isinstance(item, Attachment)]
    if not found:
        found = [Attachment("default")]
    _refine(found[0], flags)
    names = set()
    for item in found:
        if item.target in names:
            raise _wrong(f'network "{item.target}" is specified multiple times')
        names.add(item.target)
    if given and len({item.is_user_defined for item in found}) > 1:
        raise _wrong(
            "conflicting options: cannot attach both user-defined and non-user-defined"
            " network-modes"
        )
    return found


def _wrong(message: str) -> CommandError:
    return CommandError(message, code=125)


def _refine(first: Attachment, flags: Values) -> None:
    aliases = [*flags.items("network-alias"), *flags.items("net-alias")]
    conflicts = (
        (first.aliases and aliases, "--network-alias and per-network alias"),
        (first.ip and flags.text("ip"), "--ip and per-network IPv4 address"),
        (first.ip6 and flags.text("ip6"), "--ip6 and per-network IPv6 address"),
        (first.mac and flags.text("mac-address"), "--mac-address and per-network MAC address"),
        (
            first.link_local and flags.items("link-local-ip"),
            "--link-local-ip and per-network link-local IP addresses",
        ),
    )
    for clash, what in conflicts:
        if clash:
            raise _wrong(f"conflicting options: cannot specify both {what}")
    first.aliases = first.aliases or aliases
    if first.is_user_defined:
        first.links = first.links or flags.items("link")
    first.ip = first.ip or flags.text("ip")
    first.ip6 = first.ip6 or flags.text("ip6")
    first.mac = first.mac or flags.text("mac-address")
    first.link_local = first.link_local or flags.items("link-local-ip")


def endpoint_settings(item: Attachment) -> dict[str, object]:
    """Return the API's EndpointSettings.

    Raises:
        CommandError: in Docker's words.
    """
    if not item.target.strip():
        raise _wrong("no name set for network")
    if not item.is_user_defined and item.aliases:
        raise _wrong("network-scoped aliases are only supported for user-defined networks")
    if item.mac and not is_mac(item.mac):
        raise _wrong(f"{item.mac} is not a valid mac address")
    ipam: dict[str, object] = {}
    if item.ip:
        ipam["IPv4Address"] = item.ip
    if item.ip6:
        ipam["IPv6Address"] = item.ip6
    if item.link_local:
        ipam["LinkLocalIPs"] = item.link_local
    return {
        "IPAMConfig": ipam or None,
        "Links": item.links or None,
        "Aliases": item.aliases or None,
        "MacAddress": item.mac,
        "DriverOpts": item.driver_options or None,
        "GwPriority": item.gateway_priority,
        "NetworkID": "",
        "EndpointID": "",
        "Gateway": "",
        "IPAddress": "",
        "IPPrefixLen": 0,
        "IPv6Gateway": "",
        "GlobalIPv6Address": "",
        "GlobalIPv6PrefixLen": 0,
        "DNSNames": None,
    }


def is_mac(text: str) -> bool:
    """Tell whether it is a hardware address of six, eight or twenty bytes."""
    for separator, width in ((":", 2), ("-", 2), (".", 4)):
        parts = text.split(separator)
        if len(parts) * width // 2 in {6, 8, 20} and all(
            len(part) == width and all(char in "0123456789abcdefABCDEF" for char in part)
            for part in parts
        ):
            return True
    return False


def networking_config(found: list[Attachment], *, named: bool) -> dict[str, object]:
    """Return the NetworkingConfig of a create body.

    A single network that was `named` but not refined is left to the HostConfig's NetworkMode.
    """
    plain = endpoint_settings(Attachment("default"))
    if named and len(found) == 1 and endpoint_settings(found[0]) == plain:
        return {"EndpointsConfig": {}}
    return {"EndpointsConfig": {item.target: endpoint_settings(item) for item in found}}
