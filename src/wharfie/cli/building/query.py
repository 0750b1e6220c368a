"""Flags of `build` to the parameters of POST /build; only what is not the default is sent."""

from __future__ import annotations

import os

from wharfie.cli.errors import CommandError
from wharfie.cli.references import parse_reference
from wharfie.formats.gojson import dumps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wharfie.formats.pflag import Values

    Query = dict[str, str | list[str]]

_TEXTS = {
    "cgroup-parent": "cgroupparent",
    "cpuset-cpus": "cpusetcpus",
    "cpuset-mems": "cpusetmems",
    "isolation": "isolation",
    "network": "networkmode",
    "target": "target",
}
_NUMBERS = {
    "cpu-period": "cpuperiod",
    "cpu-quota": "cpuquota",
    "cpu-shares": "cpushares",
    "memory": "memory",
    "memory-swap": "memswap",
    "shm-size": "shmsize",
}
_ON = {"force-rm": "forcerm", "no-cache": "nocache", "pull": "pull", "squash": "squash"}
_PROXIES = {
    "httpProxy": "HTTP_PROXY",
    "httpsProxy": "HTTPS_PROXY",
    "noProxy": "NO_PROXY",
    "ftpProxy": "FTP_PROXY",
    "allProxy": "ALL_PROXY",
}


def build_query(flags: Values, proxies: Mapping[str, object]) -> Query:
    """The parameters that say what to build and how, not from what.

    Raises:
        CommandError: a flag's value is none.
    """
    query: Query = {"version": "1", **_plain(flags)}
    tags = flags.items("tag")
    for name in tags:
        _check_tag(name)
    arguments = {**_proxies(proxies), **_arguments(flags.items("build-arg"))}
    found: Query = {
        "t": tags,
        "buildargs": _encoded(arguments),
        "labels": _encoded(dict(text.partition("=")[::2] for text in flags.items("label"))),
        "cachefrom": _encoded([_cache_source(text) for text in flags.items("cache-from")]),
        "securityopt": _encoded(flags.items("security-opt")),
        "extrahosts": [text.replace("=", ":", 1) for text in flags.items("add-host")],
        "ulimits": _encoded(flags.objects("ulimit")),
        "nocachefilter": ",".join(flags.items("no-cache-filter")),
        "entitlements": ",".join(flags.items("allow")),
    }
    return query | {name: value for name, value in found.items() if value}


def _plain(flags: Values) -> Query:
    query: Query = {}
    query |= {name: flags.text(flag) for flag, name in _TEXTS.items() if flags.text(flag)}
    query |= {
        name: str(flags.number(flag)) for flag, name in _NUMBERS.items() if flags.number(flag)
    }
    query |= {name: "1" for flag, name in _ON.items() if flags.on(flag)}
    if query.get("networkmode") == "default":
        del query["networkmode"]
    if not flags.on("rm"):
        query["rm"] = "0"
    return query


def _check_tag(name: str) -> None:
    try:
        parse_reference(name)
    except ValueError as error:
        raise CommandError(
            f'invalid argument "{name}" for "-t, --tag" flag: {error}', code=125
        ) from None


def _encoded(value: Mapping[str, str | None] | Sequence[object]) -> str:
    return dumps(value) if value else ""


def _arguments(texts: list[str]) -> dict[str, str | None]:
    """`--build-arg`: a name alone takes the environment's value, or none."""
    found: dict[str, str | None] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        found[name] = value if equals else os.environ.get(name)
    return found


def _proxies(settings: Mapping[str, object]) -> dict[str, str | None]:
    """The configuration's proxies, in both cases of their names."""
    found: dict[str, str | None] = {}
    for key, name in _PROXIES.items():
        value = settings.get(key)
        if isinstance(value, str) and value:
            found[name] = found[name.lower()] = value
    return found


def _cache_source(text: str) -> str:
    """A reference, also in BuildKit's long form `type=registry,ref=…`."""
    if "=" not in text:
        return text
    from wharfie.cli.building.lent import pairs_of

    fields = pairs_of(text, "--cache-from")
    if fields.get("type", "registry") != "registry" or not fields.get("ref"):
        raise CommandError(f"cache source is not supported: {text}")
    return fields["ref"]
