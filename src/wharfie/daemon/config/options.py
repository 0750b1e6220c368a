"""The table of options: one row a flag with its `daemon.json` key, kind and what we do with it.

Flag parsing, the config file, conflict detection, `--help`, reload and `config explain` all read
this one table. Its rows are dockerd's. What this engine does not act on is either meaningless here
(`NEEDLESS`), warned of (`WARNED`), or refused because ignoring it would be unsafe (`REFUSED`).
"""

from __future__ import annotations

from enum import Enum

from msgspec import Struct

Values = dict[str, object]
"""Option values by `Option.name`, shaped as in the config file; only what was given."""


class Kind(Enum):
    """What a value is, by the name Go has for its type."""

    BOOL = "bool"
    STRING = "string"
    INTEGER = "int"
    SIZE = "bytes"
    ADDRESS = "ip"
    LIST = "list"
    ADDRESSES = "ipSlice"
    MAP = "map"
    MIRRORS = "mirror"
    SWITCHES = "switches"
    RUNTIMES = "runtime"
    ULIMITS = "ulimit"
    POOLS = "pool-options"
    NETWORK_OPTIONS = "mapmap"
    OBJECT = "object"


class Support(Enum):
    """What this engine does with an option that is set to something else than its default."""

    ACTED = "acted on"
    NEEDLESS = "accepted, nothing to do here"
    WARNED = "not supported yet, warned of"
    REFUSED = "not supported yet, refused"


class Option(Struct, frozen=True):
    """One option.

    Attributes:
        flag: long name without dashes; "" for file-only options.
        key: key in the config file; "" for flag-only options. Lists have plural keys.
        help: what it does, for --help.
        short: one-letter flag, "" for none.
        default: as --help and `config explain` show it.
        reload: SIGHUP changes it.
        support: what we do with it.
        note: why, for those not acted on.
        inside: key of the object in the file that `key` is in, "" for the top.
        shown: printed by --help.
    """

    flag: str
    key: str
    kind: Kind
    help: str = ""
    short: str = ""
    default: object = None
    reload: bool = False
    support: Support = Support.ACTED
    note: str = ""
    inside: str = ""
    shown: bool = True

    @property
    def name(self) -> str:
        """What the option is called in messages: the key where it stands alone, else the flag."""
        return self.flag if self.inside and self.flag else self.key or self.flag


B, S, N, L, M = Kind.BOOL, Kind.STRING, Kind.INTEGER, Kind.LIST, Kind.MAP
_NEEDLESS, _WARNED, _REFUSED = Support.NEEDLESS, Support.WARNED, Support.REFUSED
_NO_CONTAINERD = "this engine needs no containerd"
_NO_CLUSTER = "this engine has no swarm mode yet"

OPTIONS = (
    # The program
    Option("config-file", "", S, "Daemon configuration file"),
    Option("validate", "", B, "Validate daemon configuration and exit"),
    Option("version", "", B, "Print version information and quit", "v"),
    Option("help", "", B, "Print usage"),
    Option("debug", "debug", B, "Enable debug mode", "D", False, True),
    Option("log-level", "log-level", S,
           'Set the logging level ("debug"|"info"|"warn"|"error"|"fatal")', "l", "info"),
    Option("log-format", "log-format", S, 'Set the logging format ("text"|"json")', "", "text"),
    Option("raw-logs", "raw-logs", B, "Full timestamps without ANSI coloring", "", False),
    Option("pidfile", "pidfile", S, "Path to use for daemon PID file", "p"),
    Option("data-root", "data-root", S, "Root directory of persistent state"),
    Option("exec-root", "exec-root", S, "Root directory of run-time state"),
    Option("shutdown-timeout", "shutdown-timeout", N,
           "Seconds containers get to stop when the daemon does", "", 15, True),
    Option("live-restore", "live-restore", B,
           "Keep containers running while the daemon is away", "", True, True),
    Option("label", "labels", L, "Set key=value labels to the daemon", "", (), True),
    Option("feature", "features", Kind.SWITCHES, "Enable feature in the daemon", "", {}, True),
    Option("experimental", "experimental", B, "Enable experimental features", "", False),
    Option("min-api-version", "min-api-version", S, "Lowest API version served", "", "1.24"),
    Option("metrics-addr", "metrics-addr", S, "Address to serve metrics on", "", ""),
    Option("authorization-plugin", "authorization-plugins", L, "Authorization plugins to load", "",
           (), True, _REFUSED, "it has no authorization plugins yet and would let everybody in"),
    # Who may connect
    Option("host", "hosts", L, "Daemon socket(s) to listen on", "H"),
    Option("merge-hosts", "merge-hosts", B,
           "Join hosts of flags and configuration file instead of refusing both", "", False),
    Option("group", "group", S, "Group for the unix socket", "G", "docker"),
    Option("allow-plain-tcp", "allow-plain-tcp", B,
           "Serve TCP without TLS off loopback too: root for everybody who reaches it"),
    Option("allow-api-from-containers", "allow-api-from-containers", B,
           "Let containers use the API over TCP: root on this machine for them", "", False),
    Option("allowed-host", "allowed-hosts", L,
           "Further host name by which clients over plain TCP may call the daemon", "", ()),
    Option("tls", "tls", B, "Use TLS; implied by --tlsverify", "", False),
    Option("tlsverify", "tlsverify", B, "Use TLS and verify the remote"),
    Option("tlscacert", "tlscacert", S, "Trust certs signed only by this CA"),
    Option("tlscert", "tlscert", S, "Path to TLS certificate file"),
    Option("tlskey", "tlskey", S, "Path to TLS key file"),
    Option("tlscrl", "tlscrl", S, "Path to revocation lists of client certificates"),
    # How containers run
    Option("add-runtime", "runtimes", Kind.RUNTIMES,
           "Register an additional OCI compatible runtime", "", {}, True),
    Option("default-runtime", "default-runtime", S, "Default OCI runtime for containers", "",
           "crun", True),
    Option("exec-opt", "exec-opts", L, "Runtime execution options", "", ()),
    Option("cgroup-parent", "cgroup-parent", S, "Set parent cgroup for all containers", "", ""),
    Option("default-cgroupns-mode", "default-cgroupns-mode", S,
           'Default mode for containers cgroup namespace ("host" | "private")', "", "", True),
    Option("default-ipc-mode", "default-ipc-mode", S,
           'Default mode for containers ipc ("shareable" | "private")', "", "private", True),
    Option("default-shm-size", "default-shm-size", Kind.SIZE,
           "Default shm size for containers", "", "64MiB", True),
    Option("default-stop-timeout", "default-stop-timeout", N,
           "Seconds between a container's stop signal and SIGKILL", "", 10, True),
    Option("default-ulimit", "default-ulimits", Kind.ULIMITS, "Default ulimits for containers", "",
           {}),
    Option("init", "init", B, "Run an init in the container", "", False),
    Option("init-path", "init-path", S, "Path to the docker-init binary", "", ""),
    Option("", "default-init", S, support=_NEEDLESS, note="init-path is the name of this option"),
    Option("seccomp-profile", "seccomp-profile", S,
           'Path to seccomp profile, "builtin" or "unconfined"', "", "builtin"),
    Option("no-new-privileges", "no-new-privileges", B,
           "Set no-new-privileges by default for new containers", "", False),
    Option("selinux-enabled", "selinux-enabled", B, "Enable selinux support", "", False),
    Option("userns-remap", "userns-remap", S, "User/Group setting for user namespaces", "", ""),
    Option("rootless", "rootless", B, "Enable rootless mode", "", False, False, _REFUSED,
           "this engine runs as root only, yet"),
    Option("cdi-spec-dir", "cdi-spec-dirs", L, "CDI specification directories", "",
           ("/etc/cdi", "/var/run/cdi")),
    Option("cpu-rt-period", "cpu-rt-period", N, "Real-time period of all containers", "", 0, False,
           _WARNED, "real-time scheduling of containers is not supported"),
    Option("cpu-rt-runtime", "cpu-rt-runtime", N, "Real-time run time of all containers", "", 0,
           False, _WARNED, "real-time scheduling of containers is not supported"),
    Option("nri-opts", "nri-opts", Kind.OBJECT, "Node resource interface", "", {}, True, _WARNED,
           "this engine has no node resource interface"),
    Option("oom-score-adjust", "oom-score-adjust", N, "Deprecated", "", 0, False, _WARNED,
           "deprecated: use OOMScoreAdjust= in the systemd unit", shown=False),
    Option("restart", "", B, "Deprecated", "r", True, support=_NEEDLESS,
           note="restart policies belong to containers", shown=False),
    # Logs of containers
    Option("log-driver", "log-driver", S, "Default driver for container logs", "", "json-file"),
    Option("log-opt", "log-opts", M, "Default log driver options for containers", "", {}),
    # Images
    Option("storage-driver", "storage-driver", S, "Storage driver to use", "s", "overlay2"),
    Option("storage-opt", "storage-opts", L, "Storage driver options", "", ()),
    Option("registry-mirror", "registry-mirrors", L, "Preferred registry mirror", "", (), True),
    Option("insecure-registry", "insecure-registries", L,
           "Enable insecure registry communication", "", (), True),
    Option("mirror", "mirrors", Kind.MIRRORS,
           'Mirrors of any registry, "*" for all (registry=url[,url])', "", {}, True),
    Option("registry-trusted-host", "registry-trusted-hosts", L,
           "Private host or network that registries may lead to", "", (), True),
    Option("max-concurrent-downloads", "max-concurrent-downloads", N,
           "Set the max concurrent downloads", "", 3, True),
    Option("max-concurrent-uploads", "max-concurrent-uploads", N,
           "Set the max concurrent uploads", "", 5, True),
    Option("max-download-attempts", "max-download-attempts", N,
           "Set the max download attempts for each pull", "", 5, True),
    Option("http-proxy", "http-proxy", S, "HTTP proxy URL to use for outgoing traffic",
           inside="proxies"),
    Option("https-proxy", "https-proxy", S, "HTTPS proxy URL to use for outgoing traffic",
           inside="proxies"),
    Option("no-proxy", "no-proxy", S, "Hosts for which the proxy is skipped", inside="proxies"),
    Option("", "builder", Kind.OBJECT, default={}, support=_WARNED,
           note="this engine does not build images yet"),
    Option("", "allow-nondistributable-artifacts", L, support=_NEEDLESS,
           note="ignored, as by Docker since version 28"),
    Option("", "deprecated-key-path", S, support=_NEEDLESS, note="ignored, as by Docker"),
    # Networks
    Option("bridge", "bridge", S, "Attach containers to a network bridge", "b", "docker0"),
    Option("bip", "bip", S, "IPv4 address for the default bridge", "", ""),
    Option("bip6", "bip6", S, "IPv6 address for the default bridge", "", ""),
    Option("fixed-cidr", "fixed-cidr", S, "IPv4 subnet for the default bridge network", "", ""),
    Option("fixed-cidr-v6", "fixed-cidr-v6", S, "IPv6 subnet for the default bridge network", "",
           ""),
    Option("default-gateway", "default-gateway", Kind.ADDRESS,
           "Default gateway IPv4 address for the default bridge network", "", ""),
    Option("default-gateway-v6", "default-gateway-v6", Kind.ADDRESS,
           "Default gateway IPv6 address for the default bridge network", "", ""),
    Option("default-address-pool", "default-address-pools", Kind.POOLS,
           "Default address pools for local networks", "", ()),
    Option("default-network-opt", "default-network-opts", Kind.NETWORK_OPTIONS,
           "Default network options", "", {}),
    Option("mtu", "mtu", N, 'Set the MTU for the default "bridge" network', "", 1500),
    Option("icc", "icc", B, "Enable inter-container communication for the default bridge network",
           "", True),
    Option("ip", "ip", Kind.ADDRESS,
           "Host IP for port publishing from the default bridge network", "", "0.0.0.0"),  # noqa: S104
    Option("ip-masq", "ip-masq", B, "Enable IP masquerading for the default bridge network", "",
           True),
    Option("ip-forward", "ip-forward", B, "Enable IP forwarding in system configuration", "", True),
    Option("ip-forward-no-drop", "ip-forward-no-drop", B, "Do not set the FORWARD policy to DROP",
           "", False, False, _NEEDLESS, "this engine never changes the policy"),
    Option("iptables", "iptables", B, "Enable addition of firewall rules", "", True),
    Option("ip6tables", "ip6tables", B, "Enable addition of IPv6 firewall rules", "", True),
    Option("firewall-backend", "firewall-backend", S, "Firewall backend", "", "nftables"),
    Option("allow-direct-routing", "allow-direct-routing", B,
           "Allow remote access to published ports on container IP addresses", "", False),
    Option("bridge-accept-fwmark", "bridge-accept-fwmark", S, "Accept marked packets", "", "",
           False, _WARNED, "marks are not looked at"),
    Option("ipv6", "ipv6", B, "Enable IPv6 networking for the default bridge network", "", False),
    Option("userland-proxy", "userland-proxy", B,
           "Let a program serve published ports that the kernel cannot redirect", "", True),
    Option("userland-proxy-path", "userland-proxy-path", S, "Path to the userland proxy binary", "",
           "", False, _NEEDLESS, "this engine has no such proxy"),
    Option("dns", "dns", Kind.ADDRESSES, "DNS server to use", "", ()),
    Option("dns-opt", "dns-opts", L, "DNS options to use", "", ()),
    Option("dns-search", "dns-search", L, "DNS search domains to use", "", ()),
    Option("host-gateway-ip", "host-gateway-ips", Kind.ADDRESSES,
           "Addresses that host-gateway in --add-host resolves to", "", ()),
    Option("", "host-gateway-ip", Kind.ADDRESS),
    Option("", "resolv-conf", S, default="", support=_WARNED,
           note="containers get the host's /etc/resolv.conf"),
    # Room on the disk
    Option("gc-high", "high", S, "Delete unused images when the disk is fuller (85%)", "", "",
           inside="gc"),
    Option("gc-low", "low", S, "Delete unused images until the disk is less full (70%)", "", "",
           inside="gc"),
    # What archives may hold
    Option("unpack-size", "size", Kind.SIZE,
           "Most bytes an image archive or layer may unpack to", "", "1TiB", inside="unpack"),
    Option("unpack-entries", "entries", N,
           "Most files an image archive or layer may hold", "", 10_000_000, inside="unpack"),
    Option("unpack-ratio", "ratio", N,
           "Most bytes a compressed byte may unpack to", "", 2000, inside="unpack"),
    # Neighbours and clusters
    Option("containerd", "containerd", S, "containerd grpc address (accepted, not used)", "", "",
           False, _NEEDLESS, _NO_CONTAINERD),
    Option("cri-containerd", "cri-containerd", B, "start containerd with cri", "", False, False,
           _NEEDLESS, _NO_CONTAINERD, shown=False),
    Option("containerd-namespace", "containerd-namespace", S, "containerd namespace", "", "moby",
           False, _NEEDLESS, _NO_CONTAINERD, shown=False),
    Option("containerd-plugins-namespace", "containerd-plugin-namespace", S,
           "containerd namespace of plugins", "", "plugins.moby", False, _NEEDLESS,
           _NO_CONTAINERD, shown=False),
    Option("node-generic-resource", "node-generic-resources", L,
           "Advertise user-defined resource", "", (), False, _WARNED, _NO_CLUSTER),
    Option("swarm-default-advertise-addr", "swarm-default-advertise-addr", S,
           "Address for swarm", "", "", False, _WARNED, _NO_CLUSTER),
    Option("", "swarm-raft-heartbeat-tick", N, default=0, support=_WARNED, note=_NO_CLUSTER),
    Option("", "swarm-raft-election-tick", N, default=0, support=_WARNED, note=_NO_CLUSTER),
    Option("network-control-plane-mtu", "network-control-plane-mtu", N,
           "Network Control plane MTU", "", 1500, False, _WARNED, _NO_CLUSTER),
    Option("network-diagnostic-port", "network-diagnostic-port", N, "Diagnostic port", "", 0, True,
           _WARNED, _NO_CLUSTER, shown=False),
)  # fmt: skip

BY_KEY = {option.key: option for option in OPTIONS if option.key and not option.inside}
BY_NAME = {option.name: option for option in OPTIONS}
MERGED = {"runtimes"}
"""Given as flag and in the file they are joined: no conflict."""
OBJECTS = {option.inside for option in OPTIONS if option.inside}
"""Objects of the file that only group options."""


def options_inside(name: str) -> dict[str, Option]:
    """The options of a grouping object, by key."""
    return {option.key: option for option in OPTIONS if option.inside == name}
