"""The AppArmor profile of containers: `docker-default`, loaded where this host enforces profiles.

The name is Docker's, for scripts and other profiles name it. What it says: a container may use
files, network and the capabilities it was given, talk by signals and ptrace to its like only, and
neither mount nor write to the parts of /proc and /sys that steer the host.

Source: behaviours 185; apparmor.d(5); docs.docker.com, "AppArmor security profiles for Docker".
"""

from __future__ import annotations

import os
import shutil
import subprocess

from wharfie.drivers.runtime.security_options import UNCONFINED, SecurityOptions
from wharfie.model.errors import Internal

DEFAULT_PROFILE = "docker-default"
_ENABLED = "/sys/module/apparmor/parameters/enabled"
_LOADED = "/sys/kernel/security/apparmor/profiles"
_TUNABLES = "/etc/apparmor.d/tunables/global"
_BASE = "/etc/apparmor.d/abstractions/base"
_PARSER = "apparmor_parser"
_LOAD_SECONDS = 30.0

_RULES = (
    "network,",
    "capability,",
    "file,",
    "umount,",
    f"signal (send,receive) peer={DEFAULT_PROFILE},",
    "signal (receive) peer=unconfined,",
    "signal (receive) peer=crun,",
    "signal (receive) peer=runc,",
    f"ptrace (trace,read,tracedby,readby) peer={DEFAULT_PROFILE},",
    "deny mount,",
    # Files right below /proc, and every directory there that is no process's and not sys.
    "deny @{PROC}/* w,",
    "deny @{PROC}/{[^1-9],[^1-9][^0-9],[^1-9s][^0-9y][^0-9s],[^1-9][^0-9][^0-9][^0-9/]*}/** w,",
    "deny @{PROC}/sys/[^k]** w,",
    # Of the kernel's own settings those of shared memory belong to the container.
    "deny @{PROC}/sys/kernel/{?,??,[^s][^h][^m]**} w,",
    "deny @{PROC}/sysrq-trigger rwklx,",
    "deny @{PROC}/kcore rwklx,",
    # Everything in /sys but /sys/fs/cgroup.
    "deny /sys/[^f]*/** wklx,",
    "deny /sys/f[^s]*/** wklx,",
    "deny /sys/fs/[^c]*/** wklx,",
    "deny /sys/fs/c[^g]*/** wklx,",
    "deny /sys/fs/cg[^r]*/** wklx,",
    "deny /sys/firmware/** rwklx,",
    "deny /sys/devices/virtual/powercap/** rwklx,",
    "deny /sys/kernel/security/** rwklx,",
)


def is_enforced() -> bool:
    """Tell whether this host has AppArmor, and the program that loads profiles."""
    try:
        with open(_ENABLED, encoding="ascii") as file:
            enabled = file.read().startswith("Y")
    except OSError:
        return False
    return enabled and os.path.isdir("/sys/kernel/security/apparmor") and bool(_find_parser())


def profile_text(*, tunables: bool, base: bool) -> str:
    """The default profile.

    Args:
        tunables: this host has the common variables.
        base: and the common abstraction.
    """
    lines = ["#include <tunables/global>" if tunables else "@{PROC}=/proc/"]
    lines.append(f"profile {DEFAULT_PROFILE} flags=(attach_disconnected,mediate_deleted) {{")
    if base:
        lines.append("  #include <abstractions/base>")
    lines += [f"  {rule}" for rule in _RULES]
    return "\n".join([*lines, "}", ""])


def choose_profile(security: SecurityOptions, *, privileged: bool) -> str:
    """The profile a container runs under where profiles are enforced."""
    if security.apparmor:
        return security.apparmor
    return UNCONFINED if privileged else DEFAULT_PROFILE


def ensure_loaded(profile: str) -> None:
    """Load the default profile where it is the one and somebody has unloaded it.

    Raises:
        Internal: it cannot be loaded.
    """
    if profile != DEFAULT_PROFILE or _is_loaded(profile):
        return
    text = profile_text(tunables=os.path.exists(_TUNABLES), base=os.path.exists(_BASE))
    try:
        done = subprocess.run(
            [_find_parser(), "--replace", "--skip-cache"],
            input=text.encode(),
            capture_output=True,
            check=False,
            timeout=_LOAD_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Internal(f"AppArmor profile {profile} cannot be loaded: {error}") from None
    if done.returncode:
        reason = done.stderr.decode(errors="replace").strip()
        raise Internal(f"AppArmor profile {profile} cannot be loaded: {reason}")


def _is_loaded(profile: str) -> bool:
    try:
        with open(_LOADED, encoding="utf-8", errors="replace") as file:
            return any(line.startswith(f"{profile} (") for line in file)
    except OSError:
        return False


def _find_parser() -> str:
    return shutil.which(_PARSER) or shutil.which(_PARSER, path="/usr/sbin:/sbin") or ""
