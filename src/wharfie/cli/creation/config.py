"""The Config part of a create body: what is to run."""

from __future__ import annotations

from wharfie.cli.creation import envfile
from wharfie.cli.creation.networks import is_mac
from wharfie.cli.errors import CommandError
from wharfie.formats.mountspec import split_volume
from wharfie.formats.network.ports import (
    PortMapping,
    parse_expose,
    parse_publish,
    publish_text,
    split_allow,
)
from wharfie.formats.pflag import Values

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def wrong(message: str) -> CommandError:
    """Return the error of options that contradict each other or make no sense."""
    return CommandError(message, code=125)


class Streams:
    """Which of the standard streams are attached."""

    __slots__ = ("stderr", "stdin", "stdout")

    def __init__(self, flags: Values, *, detach: bool) -> None:
        named = flags.items("attach")
        if detach and named:
            raise CommandError("conflicting options: cannot specify both --attach and --detach")
        self.stdin = not detach and ("stdin" in named or flags.on("interactive"))
        self.stdout = not detach and ("stdout" in named or not named)
        self.stderr = not detach and ("stderr" in named or not named)


def published(flags: Values) -> list[PortMapping]:
    """Return the port mappings of `-p`."""
    return port_mappings(flags.items("publish"))


def port_mappings(texts: Iterable[str]) -> list[PortMapping]:
    """Return the port mappings of values like those of `-p`."""
    found: list[PortMapping] = []
    for text in texts:
        try:
            plain, allowed = split_allow(text)
            mappings = parse_publish(publish_text(plain))
        except ValueError as error:
            raise wrong(str(error)) from None
        for mapping in mappings:
            mapping.allow_from = allowed
        found += mappings
    return found


def exposed_ports(flags: Values, mappings: list[PortMapping]) -> dict[str, object]:
    """Return every port that is published or exposed."""
    names = [mapping.container for mapping in mappings]
    for text in flags.items("expose"):
        try:
            names += parse_expose(text)
        except ValueError as error:
            raise wrong(str(error)) from None
    return {name: {} for name in names}


def anonymous_volumes(flags: Values) -> dict[str, object]:
    """Return the `-v` values that name a target only."""
    found: dict[str, object] = {}
    for text in flags.items("volume"):
        try:
            source, _ = split_volume(text)
        except ValueError as error:
            raise wrong(str(error)) from None
        if not source:
            found[text] = {}
    return found


_HEALTH = (
    ("health-interval", "Interval"),
    ("health-timeout", "Timeout"),
    ("health-start-period", "StartPeriod"),
    ("health-start-interval", "StartInterval"),
    ("health-retries", "Retries"),
)


def health(flags: Values) -> dict[str, object] | None:
    """Return the Healthcheck, None to keep the image's."""
    found: dict[str, object] = {}
    if flags.text("health-cmd"):
        found["Test"] = ["CMD-SHELL", flags.text("health-cmd")]
    for flag, name in _HEALTH:
        if flags.number(flag) < 0:
            raise wrong(f"--{flag} cannot be negative")
        if flags.number(flag):
            found[name] = flags.number(flag)
    if flags.on("no-healthcheck"):
        if found:
            raise wrong("--no-healthcheck conflicts with --health-* options")
        return {"Test": ["NONE"]}
    return found or None


def environment(flags: Values, proxies: Mapping[str, str]) -> list[str] | None:
    """Return the environment: files, flags, then proxy settings not given otherwise."""
    given = envfile.collect(flags.items("env-file"), flags.items("env"), inherit=True)
    names = {pair.partition("=")[0] for pair in flags.items("env")}
    given += [f"{name}={value}" for name, value in proxies.items() if name not in names]
    return given or None


def container_config(
    flags: Values, streams: Streams, mappings: list[PortMapping], proxies: Mapping[str, str]
) -> dict[str, object]:
    """Build the Config; the arguments of the command line are image and command."""
    image, *command = flags.args
    if flags.text("mac-address") and not is_mac(flags.text("mac-address").strip()):
        raise wrong(f"{flags.text('mac-address')} is not a valid mac address")
    entrypoint = [flags.text("entrypoint")] if flags.has("entrypoint") else None
    labels = envfile.collect(flags.items("label-file"), flags.items("label"), inherit=False)
    config: dict[str, object] = {
        "Hostname": flags.text("hostname"),
        "Domainname": flags.text("domainname"),
        "User": flags.text("user"),
        "AttachStdin": streams.stdin,
        "AttachStdout": streams.stdout,
        "AttachStderr": streams.stderr,
        "Tty": flags.on("tty"),
        "OpenStdin": flags.on("interactive"),
        "StdinOnce": flags.on("interactive") and streams.stdin,
        "Env": environment(flags, proxies),
        "Cmd": command or None,
        "Image": image,
        "Volumes": anonymous_volumes(flags),
        "WorkingDir": flags.text("workdir"),
        "Entrypoint": entrypoint,
        "OnBuild": None,
        "Labels": envfile.to_map(labels),
    }
    optional = {
        "ExposedPorts": exposed_ports(flags, mappings),
        "Healthcheck": health(flags),
        "StopSignal": flags.text("stop-signal"),
    }
    config.update({name: value for name, value in optional.items() if value})
    if flags.has("stop-timeout"):
        config["StopTimeout"] = flags.number("stop-timeout")
    return config
