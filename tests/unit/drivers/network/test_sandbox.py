"""The pool, without a kernel: its sandboxes hold a descriptor of /dev/null."""

from __future__ import annotations

import os
import threading

import pytest

from wharfie.drivers.network.sandbox import Sandbox, SandboxPool


class Socket:
    def close(self) -> None:
        """Nothing is open."""


class Maker:
    """Makes sandboxes; counts them, and fails on demand."""

    def __init__(self) -> None:
        self.made: list[Sandbox] = []
        self.changed = threading.Condition()
        self.attempts = 0
        self.failing = False

    def __call__(self) -> Sandbox:
        with self.changed:
            self.attempts += 1
            self.changed.notify_all()
            if self.failing:
                raise OSError("no room")
            namespace = os.open(os.devnull, os.O_RDONLY)
            sandbox = Sandbox(namespace, Socket(), None)  # type: ignore[arg-type]
            self.made.append(sandbox)
            return sandbox

    def wait(self, attempts: int) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: self.attempts >= attempts, 10)


def test_a_pool_fills_gives_and_fills_again() -> None:
    make = Maker()
    pool = SandboxPool(make, ready=3, most_ready=8)
    pool.start()
    pool.start()
    make.wait(3)
    taken = pool.take()
    make.wait(4)
    pool.close()
    assert taken.namespace >= 0
    assert [sandbox.namespace for sandbox in make.made if sandbox is not taken] == [-1, -1, -1]
    taken.close()
    taken.close()


def test_taking_more_than_are_ready_makes_some_at_once_and_more_in_advance() -> None:
    make = Maker()
    pool = SandboxPool(make, ready=0, most_ready=8)
    assert pool.take_ready() is None
    pool.start()
    taken = pool.take()
    make.wait(3)
    pool.close()
    assert taken.namespace >= 0
    taken.close()
    assert all(sandbox.namespace == -1 for sandbox in make.made)


def test_a_pool_of_none_makes_only_what_is_taken() -> None:
    make = Maker()
    pool = SandboxPool(make, ready=0, most_ready=0)
    pool.start()
    pool.take().close()
    pool.close()
    assert make.attempts == 1


def test_a_failing_kernel_is_asked_again_only_when_somebody_comes() -> None:
    make = Maker()
    make.failing = True
    pool = SandboxPool(make, ready=2, most_ready=8)
    pool.start()
    make.wait(1)
    with pytest.raises(OSError, match="no room"):
        pool.take()
    make.wait(2)
    make.failing = False
    pool.take().close()
    pool.close()
    assert all(sandbox.namespace == -1 for sandbox in make.made)


def test_a_closed_pool_starts_again() -> None:
    make = Maker()
    pool = SandboxPool(make, ready=1, most_ready=1)
    for attempts in (1, 2):
        pool.start()
        make.wait(attempts)
        pool.close()
        assert len(pool) == 0
