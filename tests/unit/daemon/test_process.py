"""The command line that the system shows."""

from __future__ import annotations

import subprocess
import sys

from wharfie.daemon.process import command_line

PRESENT = b"/usr/bin/python3\0/usr/bin/dockerd\0-H\0fd://\0"


def test_the_interpreter_disappears() -> None:
    words = ["/usr/bin/dockerd", "-H", "fd://"]
    assert command_line(PRESENT, words) == b"/usr/bin/dockerd\0-H\0fd://\0"


def test_what_does_not_fit_is_left_alone() -> None:
    assert command_line(b"a\0", ["a", "longer"]) is None


def test_a_process_shows_its_own_name() -> None:
    program = (
        "from wharfie.daemon.process import set_title\n"
        "set_title('dockerd', ['/usr/bin/dockerd', '-H=tcp://127.0.0.1:2375'])\n"
        "print(open('/proc/self/comm').read(), end='')\n"
        "print(open('/proc/self/cmdline', 'rb').read())\n"
    )
    shown = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout
    comm, line = shown.splitlines()
    assert comm == "dockerd"
    assert line.startswith(r"b'/usr/bin/dockerd\x00-H=tcp://127.0.0.1:2375\x00")
    assert "python" not in line
