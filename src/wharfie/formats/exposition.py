"""Prometheus' text format, version 0.0.4: families of samples to bytes.

Source: https://prometheus.io/docs/instrumenting/exposition_formats/.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_ESCAPES = str.maketrans({"\\": "\\\\", "\n": "\\n", '"': '\\"'})


class Sample(Struct, frozen=True):
    """One number.

    Attributes:
        suffix: what follows the family's name, "_bucket" of a histogram.
    """

    value: float
    labels: Mapping[str, str] = {}
    suffix: str = ""


class Family(Struct, frozen=True):
    """All samples of one name.

    Attributes:
        kind: "counter", "gauge" or "histogram".
    """

    name: str
    kind: str
    help: str
    samples: Sequence[Sample]


def encode_families(families: Iterable[Family]) -> bytes:
    """The whole page; families without samples are left out."""
    lines: list[str] = []
    for family in families:
        if not family.samples:
            continue
        told = family.help.replace("\\", "\\\\").replace("\n", "\\n")
        lines += [f"# HELP {family.name} {told}", f"# TYPE {family.name} {family.kind}"]
        for one in family.samples:
            lines.append(f"{family.name}{one.suffix}{_labels(one.labels)} {spell(one.value)}")
    return "".join(f"{line}\n" for line in lines).encode()


def spell(value: float) -> str:
    """A number as Prometheus reads it."""
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    if math.isnan(value):
        return "NaN"
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(float(value))


def _labels(labels: Mapping[str, str]) -> str:
    if not labels:
        return ""
    pairs = (f'{name}="{value.translate(_ESCAPES)}"' for name, value in labels.items())
    return "{" + ",".join(pairs) + "}"
