"""The whole create body, and the validators of its flags."""

from __future__ import annotations

from wharfie.cli.creation import checks
from wharfie.cli.creation.config import Streams, container_config, published, wrong
from wharfie.cli.creation.devices import parse_gpus
from wharfie.cli.creation.hostconfig import host_config
from wharfie.cli.creation.networks import attachments, networking_config, parse_network
from wharfie.formats.mountspec import parse_mount
from wharfie.formats.pflag import Values

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

CHECKS: Mapping[str, Callable[[str], object]] = {
    "add-host": checks.extra_host,
    "attach": checks.attach,
    "blkio-weight-device": checks.weight_device,
    "device-cgroup-rule": checks.device_rule,
    "device-read-bps": checks.rate_bytes,
    "device-read-iops": checks.rate_operations,
    "device-write-bps": checks.rate_bytes,
    "device-write-iops": checks.rate_operations,
    "dns": checks.ip_address,
    "dns-search": checks.dns_search,
    "env": checks.env,
    "gpus": parse_gpus,
    "label": checks.label,
    "link": checks.link,
    "link-local-ip": checks.ip_address,
    "memory-swap": checks.memory_swap,
    "mount": parse_mount,
    "net": parse_network,
    "network": parse_network,
    "sysctl": checks.sysctl,
    "ulimit": checks.ulimit,
}


class Wish:
    """What a command line asks for: the create body and what the client itself must know."""

    __slots__ = ("body", "image", "interactive", "streams", "tty")

    def __init__(
        self, flags: Values, *, detach: bool, console: tuple[int, int], proxies: Mapping[str, str]
    ) -> None:
        if flags.on("use-api-socket"):
            raise wrong("--use-api-socket is not supported")
        self.streams = Streams(flags, detach=detach)
        mappings = published(flags)
        networks = attachments(flags)
        named = flags.has("network") or flags.has("net")
        config = container_config(flags, self.streams, mappings, proxies)
        self.body: dict[str, object] = {
            **config,
            "HostConfig": host_config(flags, networks, mappings, console),
            "NetworkingConfig": networking_config(networks, named=named),
        }
        self.image = flags.args[0]
        self.tty = flags.on("tty")
        self.interactive = flags.on("interactive")
