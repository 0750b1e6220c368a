"""`--security-opt`: strings to decisions.

Source: behaviours 185; Docker docs, "docker run --security-opt".
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from wharfie.model.errors import InvalidArgument

UNCONFINED = "unconfined"
_BUILTIN = "builtin"
_TRUTH = {"": True, "1": True, "t": True, "true": True, "0": False, "f": False, "false": False}


class SecurityOptions(Struct, frozen=True, kw_only=True):
    """What the options of a container come to.

    Attributes:
        seccomp: "" for the built-in profile, "unconfined", or the content of a profile.
        apparmor: profile name, "" for the default.
        labels: SELinux label options, in order.
    """

    seccomp: str = ""
    no_new_privileges: bool = False
    apparmor: str = ""
    labels: tuple[str, ...] = ()
    unmask_paths: bool = False
    writable_cgroups: bool = False


def parse_security_options(
    options: Sequence[str], *, no_new_privileges: bool = False
) -> SecurityOptions:
    """Parse `key=value` options; a colon in place of the sign is the older spelling.

    Args:
        options: as given at create.
        no_new_privileges: what holds unless an option says otherwise.

    Raises:
        InvalidArgument: an option Docker does not know either.
    """
    strings = {"seccomp": "", "apparmor": ""}
    switches = {"no-new-privileges": no_new_privileges, "writable-cgroups": False}
    labels: list[str] = []
    unmask = False
    for option in options:
        key, value = _split(option)
        match key:
            case "seccomp" | "apparmor":
                strings[key] = value
            case "no-new-privileges" | "writable-cgroups":
                switches[key] = _boolean(option, value)
            case "label":
                labels.append(value)
            case "systempaths" if value == UNCONFINED:
                unmask = True
            case _:
                raise InvalidArgument(f'invalid --security-opt 2: "{option}"')
    return SecurityOptions(
        seccomp="" if strings["seccomp"] == _BUILTIN else strings["seccomp"],
        apparmor=strings["apparmor"],
        no_new_privileges=switches["no-new-privileges"],
        writable_cgroups=switches["writable-cgroups"],
        labels=tuple(labels),
        unmask_paths=unmask,
    )


def _split(option: str) -> tuple[str, str]:
    if option in ("no-new-privileges", "writable-cgroups"):
        return option, ""
    if option == "disable":
        return "label", option
    key, sign, value = option.partition("=")
    if not sign:
        key, sign, value = option.partition(":")
    if not sign:
        raise InvalidArgument(f'invalid --security-opt 1: "{option}"')
    return key, value


def _boolean(option: str, value: str) -> bool:
    try:
        return _TRUTH[value.lower()]
    except KeyError:
        raise InvalidArgument(f'invalid --security-opt 2: "{option}"') from None
