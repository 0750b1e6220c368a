"""The verbs on networks."""

from __future__ import annotations

from wharfie.cli.command import Command
from wharfie.cli.commands.formatflags import LIST, chosen
from wharfie.cli.context import Context
from wharfie.cli.creation import checks, envfile
from wharfie.cli.creation.networks import Attachment, endpoint_settings
from wharfie.cli.errors import CommandError
from wharfie.cli.output.resources import networks
from wharfie.cli.output.values import objects, text
from wharfie.client.daemon import escape
from wharfie.client.errors import ClientError, NotFound
from wharfie.formats.gojson import dumps
from wharfie.formats.pflag import Values

_CREATE = """
--attachable  Enable manual container attachment
--aux-address map  Auxiliary IPv4 or IPv6 addresses used by Network driver (default map[])
--config-from string  The network from which to copy the configuration
--config-only  Create a configuration only network
-d, --driver string  Driver to manage the Network (default "bridge")
--gateway strings  IPv4 or IPv6 Gateway for the master subnet
--ingress  Create swarm routing-mesh network
--internal  Restrict external access to the network
--ip-range strings  Allocate container ip from a sub-range
--ipam-driver string  IP Address Management Driver (default "default")
--ipam-opt map  Set IPAM driver specific options (default map[])
--ipv4  Enable or disable IPv4 address assignment (default true)
--ipv6  Enable or disable IPv6 address assignment
--label list  Set metadata on a network
-o, --opt map  Set driver specific options (default map[])
--scope string  Control the network's scope
--subnet strings  Subnet in CIDR format that represents a network segment
"""
_CONNECT = """
--alias strings  Add network-scoped alias for the container
--driver-opt strings  driver options for the network
--gw-priority int  Highest gw-priority provides the default gateway. Accepts positive and negative values.
--ip string  IPv4 address (e.g., "172.30.100.104")
--ip6 string  IPv6 address (e.g., "2001:db8::33")
--link list  Add link to another container
--link-local-ip strings  Add a link-local address for the container
"""  # noqa: E501


def _inside(address: str, subnet: str) -> bool:
    from ipaddress import ip_address, ip_network

    try:
        return ip_address(address.partition("/")[0]) in ip_network(subnet, strict=False)
    except ValueError:
        return False


def ipam_pools(flags: Values) -> list[dict[str, object]]:
    """Match ranges, gateways and auxiliary addresses with their subnets.

    Raises:
        CommandError: something fits no subnet, or one twice.
    """
    pools: list[dict[str, object]] = []
    subnets = flags.items("subnet")
    if len(subnets) < len(flags.items("ip-range")) or len(subnets) < len(flags.items("gateway")):
        raise CommandError("every ip-range or gateway must have a corresponding subnet")
    for subnet in subnets:
        if any(
            _inside(subnet, str(p["Subnet"])) or _inside(str(p["Subnet"]), subnet) for p in pools
        ):
            raise CommandError("multiple overlapping subnet configuration is not supported")
        pools.append({"Subnet": subnet})
    for value in flags.items("ip-range"):
        _put(pools, value, "IPRange", f"no matching subnet for range {value}", "ranges")
    for value in flags.items("gateway"):
        _put(pools, value, "Gateway", f"no matching subnet for gateway {value}", "gateways")
    for name, address in flags.pairs("aux-address").items():
        pool = next((p for p in pools if _inside(address, str(p["Subnet"]))), None)
        if pool is None:
            raise CommandError(f"no matching subnet for aux-address {address}")
        found = pool.setdefault("AuxiliaryAddresses", {})
        assert isinstance(found, dict)
        found[name] = address
    return pools


def _put(pools: list[dict[str, object]], value: str, key: str, missing: str, plural: str) -> None:
    pool = next((p for p in pools if _inside(value, str(p["Subnet"]))), None)
    if pool is None:
        raise CommandError(missing)
    if key in pool:
        raise CommandError(
            f"cannot configure multiple {plural} ({value}, {pool[key]}) on the same subnet"
            f" ({pool['Subnet']})"
        )
    pool[key] = value


def run_create(context: Context, flags: Values) -> int:
    """Create a network; print its ID."""
    source = flags.text("config-from")
    body: dict[str, object] = {
        "Name": flags.args[0],
        "Driver": flags.text("driver"),
        "Scope": flags.text("scope"),
        "IPAM": {
            "Driver": flags.text("ipam-driver"),
            "Options": flags.pairs("ipam-opt"),
            "Config": ipam_pools(flags),
        },
        "Internal": flags.on("internal"),
        "Attachable": flags.on("attachable"),
        "Ingress": flags.on("ingress"),
        "ConfigOnly": flags.on("config-only"),
        "ConfigFrom": {"Network": source} if source else None,
        "Options": flags.pairs("opt"),
        "Labels": envfile.to_map(flags.items("label")),
    }
    for name, flag in (("EnableIPv4", "ipv4"), ("EnableIPv6", "ipv6")):
        if flags.has(flag):
            body[name] = flags.on(flag)
    found = context.client.json("POST", "/networks/create", body=body)
    document = found if isinstance(found, dict) else {}
    if document.get("Warning"):
        context.note(f"WARNING: {document['Warning']}")
    context.say(text(document, "Id"))
    return 0


def run_list(context: Context, flags: Values) -> int:
    """Print the networks, sorted by name."""
    source = chosen(context, flags, "networksFormat")
    filters = flags.filters("filter")
    query = {"filters": dumps(filters)} if filters else {}
    found = objects(context.client.json("GET", "/networks", query=query))
    found.sort(key=lambda item: text(item, "Name"))
    if flags.on("quiet") and source == "table":
        source = "{{.ID}}"
    context.write(networks(truncate=not flags.on("no-trunc")).render(found, source))
    return 0


def run_rm(context: Context, flags: Values) -> int:
    """Remove networks."""
    failed = False
    for name in flags.args:
        try:
            context.client.done("DELETE", f"/networks/{escape(name)}")
        except ClientError as error:
            if flags.on("force") and isinstance(error, NotFound):
                continue
            context.note(str(error))
            failed = True
        else:
            context.say(name)
    if failed:
        raise CommandError("exit status 1")
    return 0


def run_connect(context: Context, flags: Values) -> int:
    """Connect a container to a network."""
    network, container = flags.args
    item = Attachment(network)
    item.aliases = flags.items("alias")
    item.links = flags.items("link")
    item.link_local = flags.items("link-local-ip")
    item.ip, item.ip6 = flags.text("ip"), flags.text("ip6")
    item.gateway_priority = flags.number("gw-priority")
    for option in flags.items("driver-opt"):
        name, equals, value = option.partition("=")
        if not equals or not name:
            raise CommandError("invalid key/value pair format in driver options")
        item.driver_options[name.strip()] = value.strip()
    settings = {**endpoint_settings(_named(item))}
    settings["IPAMConfig"] = settings["IPAMConfig"] or {}
    body = {"Container": container, "EndpointConfig": settings}
    context.client.done("POST", f"/networks/{escape(network)}/connect", body=body)
    return 0


def _named(item: Attachment) -> Attachment:
    """Let the daemon judge aliases: the network may go by an ID or be one of its own."""
    item.target = "user-defined"
    return item


def run_disconnect(context: Context, flags: Values) -> int:
    """Disconnect a container from a network."""
    network, container = flags.args
    body = {"Container": container, "Force": flags.on("force")}
    context.client.done("POST", f"/networks/{escape(network)}/disconnect", body=body)
    return 0


CREATE = Command(
    run_create,
    "Create a network",
    "NETWORK",
    flags=_CREATE,
    least=1,
    most=1,
    checks={"label": checks.label},
)
LS = Command(
    run_list,
    "List networks",
    flags=f"""
    -f, --filter filter  Provide filter values (e.g. "driver=bridge")
    {LIST}
    --no-trunc  Do not truncate the output
    -q, --quiet  Only display network IDs
    """,
    aliases=("network ls", "network list"),
)
RM = Command(
    run_rm,
    "Remove one or more networks",
    "NETWORK [NETWORK...]",
    flags="-f, --force  Do not error if the network does not exist",
    least=1,
    most=None,
    aliases=("network rm", "network remove"),
)
CONNECT = Command(
    run_connect,
    "Connect a container to a network",
    "NETWORK CONTAINER",
    flags=_CONNECT,
    least=2,
    most=2,
    checks={"link": checks.link},
)
DISCONNECT = Command(
    run_disconnect,
    "Disconnect a container from a network",
    "NETWORK CONTAINER",
    flags="-f, --force  Force the container to disconnect from a network",
    least=2,
    most=2,
)
