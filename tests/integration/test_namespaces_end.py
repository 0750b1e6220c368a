"""The namespaces of tests end even if this process has adopted somebody inside."""

import subprocess
import time

import pytest

from support.netns import Namespaces, poll
from wharfie.kernel.process import set_child_subreaper

pytestmark = pytest.mark.root


def test_adopted_orphans_do_not_hold_namespaces_up() -> None:
    set_child_subreaper()
    namespaces = Namespaces()
    entered = subprocess.Popen(namespaces.command("sleep", "1000"))
    for _ in poll("the sleeper"):
        if "sleep 1000" in namespaces.processes().values():
            break
    entered.kill()
    entered.wait()
    began = time.monotonic()
    namespaces.close()
    assert time.monotonic() - began < 20
