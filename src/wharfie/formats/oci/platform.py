"""Platforms: spelling, and choosing the manifest that fits this host.

Source: containerd's platforms package; OCI image spec, "Image Index"; behaviours 29, 132.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from msgspec.structs import replace

from wharfie.formats.oci.descriptor import Descriptor, Platform
from wharfie.formats.oci.manifest import is_image

_PART = re.compile(r"[A-Za-z0-9_.-]+")
_ARCHITECTURES = {
    "x86_64": "amd64",
    "x86-64": "amd64",
    "aarch64": "arm64",
    "armhf": "arm",
    "armel": "arm",
    "armv7l": "arm",
    "armv6l": "arm",
    "i386": "386",
    "i486": "386",
    "i586": "386",
    "i686": "386",
    "loongarch64": "loong64",
}
_SYSTEMS = frozenset(
    (
        "aix", "android", "darwin", "dragonfly", "freebsd", "hurd", "illumos", "ios", "js", "linux",
        "nacl", "netbsd", "openbsd", "plan9", "solaris", "windows", "zos",
    )
)  # fmt: skip
_KNOWN = frozenset(
    (
        "386", "amd64", "amd64p32", "arm", "armbe", "arm64", "arm64be", "loong64", "mips", "mips64",
        "mips64le", "mips64p32", "mips64p32le", "mipsle", "ppc", "ppc64", "ppc64le", "riscv",
        "riscv64", "s390", "s390x", "sparc", "sparc64", "wasm",
    )
)  # fmt: skip
_VARIANTS = {"armhf": "v7", "armv7l": "v7", "armel": "v6", "armv6l": "v6"}
_ARM_VARIANTS = ("v8", "v7", "v6", "v5")


class InvalidPlatform(ValueError):
    """Not `os[/arch[/variant]]`."""


def parse_platform(text: str, host: Platform) -> Platform:
    """Parse `os[/arch[/variant]]` or an architecture alone; gaps are filled from `host`.

    Raises:
        InvalidPlatform: some other shape.
    """
    parts = text.split("/")
    for part in parts:
        if not _PART.fullmatch(part):
            raise InvalidPlatform(
                f'"{part[:80]}" is an invalid component of "{text[:80]}": platform specifier '
                'component must match "^[A-Za-z0-9_.-]+$": invalid argument'
            )
    if len(parts) > 3:
        raise InvalidPlatform(f'"{text[:80]}": cannot parse platform specifier: invalid argument')
    first = parts[0].lower()
    if len(parts) == 1 and first in _SYSTEMS:
        return replace(host, os=first)
    if len(parts) == 1:
        platform = normalize(Platform(os=host.os, architecture=first))
        if platform.architecture not in _KNOWN:
            raise InvalidPlatform(
                f'"{text[:80]}": unknown operating system or architecture: invalid argument'
            )
        return platform
    variant = parts[2] if len(parts) == 3 else ""
    return normalize(Platform(os=first, architecture=parts[1], variant=variant))


def normalize(platform: Platform) -> Platform:
    """One spelling for what is one platform (`aarch64` is `arm64`, its v8 goes unsaid)."""
    spelled = platform.architecture.lower()
    architecture = _ARCHITECTURES.get(spelled, spelled)
    variant = platform.variant.lower() or _VARIANTS.get(spelled, "")
    if (architecture, variant) in (("arm64", "v8"), ("arm64", "8"), ("amd64", "v1")):
        variant = ""
    elif architecture == "arm":
        variant = {"": "v7", "5": "v5", "6": "v6", "7": "v7", "8": "v8"}.get(variant, variant)
    return Platform(
        architecture=architecture,
        os=platform.os.lower(),
        variant=variant,
        os_version=platform.os_version,
    )


def spell(platform: Platform) -> str:
    """`os/arch[/variant]`."""
    return "/".join(part for part in (platform.os, platform.architecture, platform.variant) if part)


def rank(offered: Platform, wanted: Platform) -> int | None:
    """How well an offer serves a wish: 0 is exact, more is worse, None not at all."""
    have, want = normalize(offered), normalize(wanted)
    if (have.os, have.architecture) != (want.os, want.architecture):
        return None
    if have.variant == want.variant:
        return 0
    if want.architecture == "amd64":
        return _lower(have.variant or "v1", want.variant or "v1")
    if want.architecture == "arm":
        return _distance(have.variant, want.variant)
    if want.architecture == "arm64":
        # A plain arm64 (v8) image runs on every later arm64.
        return 1 if not have.variant else None
    return 1 if not have.variant else None


def choose(offers: Sequence[Descriptor], wanted: Platform) -> Descriptor | None:
    """The best image among the entries of an index, None when none fits.

    An entry without a platform fits only when nothing else does.
    """
    best: tuple[int, Descriptor] | None = None
    images = [offer for offer in offers if is_image(offer)]
    for offer in images:
        score = 100 if offer.platform is None else rank(offer.platform, wanted)
        if score is not None and (best is None or score < best[0]):
            best = (score, offer)
    return None if best is None else best[1]


def _lower(have: str, want: str) -> int | None:
    """x86-64 levels: any at or below the wanted one will run."""
    if not (_is_level(have) and _is_level(want)):
        return None
    difference = int(want[1:]) - int(have[1:])
    return difference if difference >= 0 else None


def _is_level(variant: str) -> bool:
    return len(variant) == 2 and variant[0] == "v" and variant[1].isdecimal()


def _distance(have: str, want: str) -> int | None:
    if have not in _ARM_VARIANTS or want not in _ARM_VARIANTS:
        return None
    difference = _ARM_VARIANTS.index(have) - _ARM_VARIANTS.index(want)
    return difference if difference >= 0 else None
