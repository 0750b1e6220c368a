"""How the C library's allocator behaves in this process.

By default it hands freed memory back to the kernel as soon as 128 KiB of it lie at the end of the
heap. A process that moves streams in pieces of that size then takes and gives back the same
memory a thousand times a second, and pays for it in page faults: half of its time, measured with
a stream over TLS (bench/tls.py). Source: mallopt(3).
"""

from __future__ import annotations

import ctypes

_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_KEPT = 4 << 20
_LARGE = 1 << 20


def keep_freed_memory() -> bool:
    """Keep up to 4 MiB of freed memory for the next piece; False where the library cannot."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    return bool(mallopt(_M_MMAP_THRESHOLD, _LARGE) and mallopt(_M_TRIM_THRESHOLD, _KEPT))
