"""The table of options: one row a flag with its `daemon.json` key, kind and default.

Flag parsing, the config file, conflict detection and `--help` all read this one table. Rows
follow dockerd's; what this engine accepts but does not act on says so in its help.
"""

from __future__ import annotations

from enum import Enum

from msgspec import Struct


class Kind(Enum):
    """What a value is."""

    BOOL = "bool"
    STRING = "string"
    INTEGER = "int"
    LIST = "list"
    MAP = "map"


class Option(Struct, frozen=True):
    """One option.

    Attributes:
        flag: long name without dashes; "" for file-only options.
        key: key in the config file; "" for flag-only options. Lists have plural keys.
        short: one-letter flag, "" for none.
        placeholder: how --help names the value.
    """

    flag: str
    key: str
    kind: Kind
    help: str
    short: str = ""
    placeholder: str = ""


OPTIONS = (
    Option("add-runtime", "runtimes", Kind.MAP, "Register a further OCI runtime (name=path)", "",
           "runtime"),
    Option("bip", "bip", Kind.STRING, "Address and prefix of the default bridge"),
    Option("bridge", "bridge", Kind.STRING, "Name of the default bridge", "b"),
    Option("cgroup-parent", "cgroup-parent", Kind.STRING, "Parent cgroup of all containers"),
    Option("config-file", "", Kind.STRING, "Daemon configuration file"),
    Option("containerd", "containerd", Kind.STRING,
           "Accepted for dockerd's unit files; this engine needs no containerd"),
    Option("data-root", "data-root", Kind.STRING, "Root directory of persistent state"),
    Option("debug", "debug", Kind.BOOL, "Enable debug mode", "D"),
    Option("default-runtime", "default-runtime", Kind.STRING, "Default OCI runtime"),
    Option("dns", "dns", Kind.LIST, "DNS server to use in containers"),
    Option("dns-opt", "dns-opts", Kind.LIST, "DNS options to use"),
    Option("dns-search", "dns-search", Kind.LIST, "DNS search domains to use"),
    Option("exec-root", "exec-root", Kind.STRING, "Root directory of run-time state"),
    Option("group", "group", Kind.STRING, "Group of the unix socket", "G"),
    Option("help", "", Kind.BOOL, "Print usage"),
    Option("host", "hosts", Kind.LIST, "Daemon socket(s) to listen on", "H"),
    Option("insecure-registry", "insecure-registries", Kind.LIST, "Registry without TLS"),
    Option("label", "labels", Kind.LIST, "Set key=value labels to the daemon"),
    Option("live-restore", "live-restore", Kind.BOOL,
           "Keep containers running while the daemon is away (default true)"),
    Option("log-driver", "log-driver", Kind.STRING, "Default driver for container logs"),
    Option("log-level", "log-level", Kind.STRING,
           'Logging level ("debug"|"info"|"warn"|"error"|"fatal")', "l"),
    Option("log-opt", "log-opts", Kind.MAP, "Default log driver options"),
    Option("max-concurrent-downloads", "max-concurrent-downloads", Kind.INTEGER,
           "Set the max concurrent downloads (default 3)"),
    Option("max-concurrent-uploads", "max-concurrent-uploads", Kind.INTEGER,
           "Set the max concurrent uploads (default 5)"),
    Option("max-download-attempts", "max-download-attempts", Kind.INTEGER,
           "Set the max download attempts for each pull (default 5)"),
    Option("mirror", "mirrors", Kind.MAP,
           'Mirrors of a registry ("*" for all): registry=url[,url]'),
    Option("mtu", "mtu", Kind.INTEGER, "MTU of the default bridge"),
    Option("pidfile", "pidfile", Kind.STRING, "Path of the PID file", "p"),
    Option("proxies", "proxies", Kind.MAP,
           "Proxies for registries: http-proxy=url, https-proxy=url, no-proxy=hosts"),
    Option("registry-trusted-host", "registry-trusted-hosts", Kind.LIST,
           "Private host or network a registry may redirect to or authenticate at"),
    Option("registry-mirror", "registry-mirrors", Kind.LIST, "Preferred registry mirror"),
    Option("shutdown-timeout", "shutdown-timeout", Kind.INTEGER, "Shutdown timeout in seconds"),
    Option("default-shm-size", "default-shm-size", Kind.STRING, "Default size of /dev/shm"),
    Option("tls", "tls", Kind.BOOL, "Use TLS; implied by --tlsverify"),
    Option("tlscacert", "tlscacert", Kind.STRING, "Trust certs signed only by this CA"),
    Option("tlscert", "tlscert", Kind.STRING, "Path to TLS certificate file"),
    Option("tlskey", "tlskey", Kind.STRING, "Path to TLS key file"),
    Option("tlsverify", "tlsverify", Kind.BOOL, "Use TLS and verify the remote"),
    Option("validate", "", Kind.BOOL, "Validate daemon configuration and exit"),
    Option("version", "", Kind.BOOL, "Print version information and quit", "v"),
)  # fmt: skip

BY_FLAG = {option.flag: option for option in OPTIONS}
BY_SHORT = {option.short: option for option in OPTIONS if option.short}
BY_KEY = {option.key: option for option in OPTIONS if option.key}

Value = bool | str | int | list[str] | dict[str, str]
Values = dict[str, Value]
"""Option values by flag name; only what was given."""
