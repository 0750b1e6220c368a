"""Network namespaces, held by descriptors.

A namespace is a property of a thread: who enters one does so in a thread made for it. Sockets
keep the namespace they were opened in, so a thread may enter, open and go.

Source: namespaces(7), setns(2), unshare(2).
"""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")

_CLONE_NEWNET = 0x40000000
_THREAD_NAMESPACE = "/proc/thread-self/ns/net"
_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> None:
    if result != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")


def open_current() -> int:
    """A descriptor of the calling thread's network namespace."""
    return os.open(_THREAD_NAMESPACE, os.O_RDONLY | os.O_CLOEXEC)


def enter(namespace: int) -> None:
    """Move the calling thread into a network namespace."""
    _check(_libc.setns(namespace, _CLONE_NEWNET), "setns")


def unshare() -> None:
    """Move the calling thread into a new network namespace of its own."""
    _check(_libc.unshare(_CLONE_NEWNET), "unshare")


@contextmanager
def inside_new(home: int) -> Iterator[int]:
    """A new namespace around the calling thread; its descriptor is the caller's to close.

    On leaving, the thread is back at `home`. A thread that cannot go back must not go on: the
    error leaves it in the wrong place.
    """
    unshare()
    try:
        namespace = open_current()
        try:
            yield namespace
        except BaseException:
            os.close(namespace)
            raise
    finally:
        enter(home)


@contextmanager
def inside(namespace: int, home: int) -> Iterator[None]:
    """The calling thread inside a namespace; afterwards back at `home`.

    As with `inside_new`, a thread that cannot go back must not go on.
    """
    enter(namespace)
    try:
        yield
    finally:
        enter(home)


def call_inside(namespace: int, action: Callable[[], T]) -> T:
    """Run `action` in a fresh thread inside a namespace; blocks until it is done.

    Raises:
        OSError: the namespace cannot be entered; or whatever `action` raises.
    """
    results: list[T] = []
    failures: list[BaseException] = []

    def body() -> None:
        try:
            enter(namespace)
            results.append(action())
        except BaseException as error:  # noqa: BLE001 - raised again in the caller's thread
            failures.append(error)

    thread = threading.Thread(target=body, name="netns", daemon=True)
    thread.start()
    thread.join()
    if failures:
        raise failures[0]
    return results[0]
