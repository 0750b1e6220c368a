"""The report of who waits, asked for by a signal."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

BUSY = """
import os, signal, sys, threading, time
from wharfie.daemon import stuck

def deep(depth):
    deep(depth - 1) if depth else os.stat("/")

def crowd():
    while True:
        threads = [threading.Thread(target=deep, args=(300,)) for _ in range(4)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()

stuck.serve_signal(stuck.StuckReport(), sys.argv[1])
threading.Thread(target=crowd, daemon=True).start()
for _ in range(2000):
    os.kill(os.getpid(), signal.SIGUSR1)
    time.sleep(0.0002)
"""

HANGING = """
import sys, threading
from wharfie.daemon import stuck

def the_loop_hangs():
    lock = threading.Lock()
    lock.acquire()
    print("hanging", flush=True)
    lock.acquire()

stuck.serve_signal(stuck.StuckReport(), sys.argv[1])
the_loop_hangs()
"""


@pytest.mark.timeout(60)
def test_signals_do_not_kill_a_busy_process(tmp_path: Path) -> None:
    """With threads that come and go, as those that delete layers do."""
    done = subprocess.run([sys.executable, "-c", BUSY, str(tmp_path)], check=False, timeout=50)
    assert done.returncode == 0


@pytest.mark.timeout(60)
def test_the_report_comes_while_the_main_thread_hangs(tmp_path: Path) -> None:
    argv = [sys.executable, "-c", HANGING, str(tmp_path)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as one:
        try:
            assert one.stdout is not None
            assert one.stdout.readline() == "hanging\n"
            one.send_signal(signal.SIGUSR1)
            while not (found := [*tmp_path.glob("goroutine-stacks-*.log")]):
                assert one.poll() is None
            while not (text := found[0].read_text()):
                assert one.poll() is None
        finally:
            one.kill()
    assert "the_loop_hangs" in text
