"""All options with their values and where each comes from: flags, file, environment, defaults.

An option given both as a flag and in the file is refused, as dockerd does (seeds D6); runtimes are
joined, and with `"merge-hosts": true` hosts are too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct

from wharfie.daemon.config.document import Document, read_document
from wharfie.daemon.config.errors import ConfigError
from wharfie.daemon.config.options import BY_NAME, MERGED, OPTIONS, Option, Values
from wharfie.daemon.config.places import Places
from wharfie.daemon.config.values import show

_ENVIRONMENT = {
    "min-api-version": ("DOCKER_MIN_API_VERSION",),
    "http-proxy": ("HTTP_PROXY", "http_proxy"),
    "https-proxy": ("HTTPS_PROXY", "https_proxy"),
    "no-proxy": ("NO_PROXY", "no_proxy"),
}


class Setting(Struct, frozen=True):
    """A value and its source: "flag --host", "/etc/docker/daemon.json:3", "default" …"""

    value: object
    source: str


class Settings(Struct, frozen=True, kw_only=True):
    """What was given, by `Option.name`, and the file it was looked for in."""

    given: Mapping[str, Setting]
    document: Document
    places: Places

    @property
    def values(self) -> Values:
        """The values alone."""
        return {name: setting.value for name, setting in self.given.items()}


def gather(flags: Values, places: Places, environment: Mapping[str, str]) -> Settings:
    """Read the file that the flags name and put everything together.

    Raises:
        ConfigError: in dockerd's words.
    """
    explicit = flags.get("config-file")
    path = str(explicit) if explicit else places.config_file
    try:
        document = read_document(path, required=explicit is not None)
        merge_hosts = bool(flags.get("merge-hosts") or document.values.get("merge-hosts"))
        joined = MERGED | ({"hosts"} if merge_hosts else set())
        _check_conflicts(flags, document, places, joined)
    except ConfigError as error:
        raise ConfigError(f"unable to configure the Docker daemon with file {path}: {error}") from (
            None
        )
    given = _from_environment(environment)
    for name, value in document.values.items():
        given[name] = Setting(value, f"{path}:{document.positions[name].line}")
    for name, value in flags.items():
        setting = Setting(value, f"flag --{BY_NAME[name].flag}")
        given[name] = _join(setting, given[name]) if _is_joined(name, given, joined) else setting
    return Settings(given=given, document=document, places=places)


def _is_joined(name: str, given: Mapping[str, Setting], joined: set[str]) -> bool:
    return name in joined and name in given


def _join(flag: Setting, other: Setting) -> Setting:
    source = f"{flag.source}, {other.source}"
    if isinstance(flag.value, list) and isinstance(other.value, list):
        return Setting(list(dict.fromkeys([*flag.value, *other.value])), source)
    assert isinstance(flag.value, dict)
    assert isinstance(other.value, dict)
    return Setting({**other.value, **flag.value}, source)


def _from_environment(environment: Mapping[str, str]) -> dict[str, Setting]:
    given = {}
    for name, variables in _ENVIRONMENT.items():
        for variable in variables:
            if environment.get(variable):
                given[name] = Setting(environment[variable], f"environment {variable}")
                break
    if environment.get("DOCKER_TLS_VERIFY"):
        given["tlsverify"] = Setting(True, "environment DOCKER_TLS_VERIFY")
    return given


def _check_conflicts(flags: Values, document: Document, places: Places, joined: set[str]) -> None:
    conflicts = [
        option
        for option in sorted(OPTIONS, key=lambda option: option.flag)
        if option.name in flags and option.name in document.values and option.name not in joined
    ]
    if not conflicts:
        return
    both = (
        f"{option.name}: (from flag: {show(flags[option.name])}, "
        f"from file: {show(document.values[option.name])})"
        for option in conflicts
    )
    raise ConfigError(
        "the following directives are specified both as a flag and in the configuration file: "
        + ", ".join(both)
        + "".join(_remedy(option, document, places) for option in conflicts)
    )


def _remedy(option: Option, document: Document, places: Places) -> str:
    """Where the key is and how to mend it, on lines of their own."""
    place = document.positions[option.name]
    lines = [f'"{option.name}" in {document.path}, line {place.line}, column {place.column}']
    if option.name == "hosts":
        folder = f"/etc/systemd/system/{places.unit}.service.d"
        lines += [
            'Either put  "merge-hosts": true  into that file to listen on both,',
            f"or take -H away from the command line, under systemd with the drop-in "
            f"{folder}/hosts.conf:",
            "    [Service]",
            "    ExecStart=",
            f"    ExecStart=/usr/bin/{places.program}",
            f"and then: systemctl daemon-reload && systemctl restart {places.unit}",
        ]
    else:
        lines.append(f"Take either this key or the flag --{option.flag} away.")
    return "".join(f"\n  {line}" for line in lines)


def describe(names: Sequence[str], settings: Settings) -> str:
    """Options with their sources, for messages: `"ipv6" (/etc/docker/daemon.json:3)`."""
    return ", ".join(f'"{name}" ({settings.given[name].source})' for name in names)
