"""`wharfied config explain`: every effective value and where it comes from.

OPTION       VALUE                          SOURCE
data-root    /var/lib/wharfie               default
hosts        [unix:///var/run/docker.sock]  /etc/wharfie/daemon.json:3
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from msgspec import Struct

from wharfie.daemon.config.options import BY_NAME, OPTIONS, Option, Support, Values
from wharfie.daemon.config.places import Places
from wharfie.daemon.config.record import Config, build_config, certificate_folder
from wharfie.daemon.config.settings import Setting, Settings, gather
from wharfie.daemon.config.values import mask, show

_NOT_SETTINGS = {"help", "version", "validate", "host-gateway-ip", "default-init"}


class Row(Struct, frozen=True):
    """One effective value."""

    option: str
    value: object
    source: str
    note: str = ""


def explain_command(
    flags: Values, places: Places, environment: Mapping[str, str], *, as_json: bool
) -> str:
    """What `config explain` prints for a daemon started with these flags.

    Raises:
        ConfigError: such a daemon would not start.
    """
    settings = gather(flags, places, environment)
    rows = explain(settings, build_config(settings, environment), environment)
    return to_json(rows) if as_json else to_table(rows)


def explain(settings: Settings, config: Config, environment: Mapping[str, str]) -> list[Row]:
    """All options, those that were given and those that were not."""
    rows = [
        _row(option, settings, config, environment)
        for option in sorted(OPTIONS, key=lambda option: option.name)
        if option.name not in _NOT_SETTINGS
    ]
    return [row for row in rows if row is not None]


def _row(
    option: Option, settings: Settings, config: Config, environment: Mapping[str, str]
) -> Row | None:
    name = option.name
    given = settings.given.get(name)
    if given is None:
        derived = _derived(name, settings, config, environment)
        if derived is not None:
            return Row(name, derived.value, derived.source)
        if option.support is not Support.ACTED:
            return None
        effective = getattr(config, name.replace("-", "_"), None)
        return Row(name, effective if option.default is None else option.default, "default")
    note = "" if option.support is Support.ACTED else f"{option.support.value}: {option.note}"
    return Row(name, given.value, given.source, note)


def _derived(
    name: str, settings: Settings, config: Config, environment: Mapping[str, str]
) -> Setting | None:
    """Defaults that depend on other values or on the name we were called by."""
    tls = config.tls
    match name:
        case "config-file":
            state = "default" if settings.document.exists else "default, no such file"
            return Setting(config.config_file, state)
        case "hosts":
            return Setting(config.hosts, "default with TLS" if tls else "default")
        case "data-root" | "exec-root" | "pidfile":
            value: str = getattr(config, name.replace("-", "_"))
            return Setting(value, f"default of {config.places.program}")
        case "log-level" if config.debug:
            return Setting("debug", settings.given["debug"].source)
        case "host-gateway-ips" if config.host_gateway_ips:
            return Setting(config.host_gateway_ips, settings.given["host-gateway-ip"].source)
        case "tlscacert" | "tlscert" | "tlskey" | "tlsverify":
            if tls is None:
                return Setting(None, "default, TLS is off")
            files = {"tlscacert": tls.ca, "tlscert": tls.cert, "tlskey": tls.key}
            folder = certificate_folder(environment)
            source = f"default, certificates in {folder}"
            return Setting(files.get(name, tls.verify), source if name in files else "default")
        case _:
            return None


def to_table(rows: list[Row]) -> str:
    """Columns for people."""
    cells = [("OPTION", "VALUE", "SOURCE")]
    for row in rows:
        value = "" if row.value is None else show(row.value)
        source = f"{row.source} ({row.note})" if row.note else row.source
        cells.append((row.option, value or '""', source))
    first = max(len(option) for option, _, _ in cells) + 2
    second = min(max(len(value) for _, value, _ in cells) + 2, 48)
    return "".join(f"{a:<{first}}{b:<{second - 1}} {c}\n" for a, b, c in cells)


def to_json(rows: list[Row]) -> str:
    """One object, by option."""
    document = {
        row.option: {
            "value": mask(row.value) if isinstance(row.value, str) else row.value,
            "source": row.source,
            **({"note": row.note} if row.note else {}),
            "reload": BY_NAME[row.option].reload,
        }
        for row in rows
    }
    return json.dumps(document, indent=2) + "\n"
