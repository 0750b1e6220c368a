"""Platforms as users write them: `linux/arm64/v8`, `amd64`, `linux`.

Source: containerd/platforms, Parse and Normalize.
"""

from __future__ import annotations

import re

from wharfie.formats.oci.descriptor import Platform

_PART = re.compile(r"[A-Za-z0-9_.-]+(?:\([A-Za-z0-9_.-]*\))?", re.ASCII)
_SYSTEMS = frozenset(
    ("aix", "android", "darwin", "dragonfly", "freebsd", "hurd", "illumos", "ios", "js", "linux")
) | {"netbsd", "openbsd", "plan9", "solaris", "wasip1", "windows", "zos"}
_ARCHITECTURES = frozenset(
    ("386", "amd64", "arm", "arm64", "loong64", "mips", "mipsle", "mips64", "mips64le", "ppc64")
) | {"ppc64le", "riscv64", "s390x", "wasm"}
_ALIASES = {
    "x86_64": ("amd64", ""),
    "x86-64": ("amd64", ""),
    "i386": ("386", ""),
    "aarch64": ("arm64", ""),
    "armhf": ("arm", "v7"),
    "armel": ("arm", "v6"),
}


class InvalidPlatform(ValueError):
    """Not a platform."""


def parse_platform(text: str, host: Platform) -> Platform:
    """Read a platform; what is not said is the host's.

    Raises:
        InvalidPlatform: it is none.
    """
    parts = text.split("/")
    if not 1 <= len(parts) <= 3 or not all(_PART.fullmatch(part) for part in parts):
        raise InvalidPlatform(f'"{text[:80]}": unknown operating system or architecture')
    system, architecture, variant = (*parts, "", "")[:3]
    system = system.lower().partition("(")[0]
    if len(parts) == 1:
        if system in _SYSTEMS or system == "macos":
            return _normal(system, host.architecture, host.variant)
        if system not in _ARCHITECTURES and system not in _ALIASES:
            raise InvalidPlatform(
                f'"{text[:80]}": unknown operating system or architecture: invalid argument'
            )
        return _normal(host.os, system, "")
    return _normal(system, architecture.lower(), variant.lower())


def _normal(system: str, architecture: str, variant: str) -> Platform:
    architecture, implied = _ALIASES.get(architecture, (architecture, ""))
    variant = variant or implied
    if architecture == "arm64" and variant in ("8", "v8"):
        variant = ""
    elif architecture == "arm":
        variant = {"": "v7", "5": "v5", "6": "v6", "7": "v7", "8": "v8"}.get(variant, variant)
    elif architecture == "amd64" and variant == "v1":
        variant = ""
    return Platform(
        os="darwin" if system == "macos" else system, architecture=architecture, variant=variant
    )


def format_platform(platform: Platform) -> str:
    """`linux/arm/v7`."""
    parts = (platform.os, platform.architecture, platform.variant)
    return "/".join(part for part in parts if part)
