import ctypes
import os
import subprocess
import sys

import pytest

from wharfie.kernel.memory import keep_freed_memory

# Takes and frees a piece again and again, and counts the page faults.
PROGRAM = """
import resource, sys
from wharfie.kernel.memory import keep_freed_memory
if sys.argv[1] == "kept":
    assert keep_freed_memory()
def faults(): return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(50): [bytes(200_000) for _ in range(4)]
before = faults()
for _ in range(200): [bytes(200_000) for _ in range(4)]
print(faults() - before)
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="not glibc")
def test_the_same_memory_is_used_again() -> None:
    def faults(how: str) -> int:
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, how], capture_output=True, text=True, check=True
        )
        return int(done.stdout)

    environment = {name for name in os.environ if name.startswith("MALLOC_")}
    assert not environment, "they would change what is measured"
    assert faults("kept") < 100
    assert faults("given back") > 2000, "without it the kernel is asked each time"


def test_it_says_whether_the_library_could() -> None:
    assert keep_freed_memory() is hasattr(ctypes.CDLL(None), "mallopt")
