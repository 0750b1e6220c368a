"""Two hundred containers on ten networks by sixteen clients: nothing leaks, no address twice."""

from __future__ import annotations

import contextlib
import json
import os
import random
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from support.daemon import Daemon
from support.netns import poll

pytestmark = [pytest.mark.root, pytest.mark.slow, pytest.mark.timeout(300)]

CLIENTS = 16
CONTAINERS = 200
NETWORKS = 10
READY = 32
"""Sandboxes the driver keeps ready after a crowd, for half a minute."""


def networks(daemon: Daemon) -> list[str]:
    names = [f"net{number}" for number in range(NETWORKS)]
    for name in names:
        daemon.json("POST", "/networks/create", {"Name": name})
    return names


def body(number: int, names: list[str]) -> dict[str, object]:
    chosen = [names[number % NETWORKS], names[(number * 7 + 3) % NETWORKS]]
    endpoints = {name: {"Aliases": [f"alias{number % 5}"]} for name in dict.fromkeys(chosen)}
    return {
        "Image": "busybox",
        "Cmd": ["sleep", "600"],
        "HostConfig": {
            "NetworkMode": chosen[0],
            "PortBindings": {"80/tcp": [{"HostPort": ""}]} if number % 4 == 0 else {},
        },
        "NetworkingConfig": {"EndpointsConfig": endpoints},
    }


def start(daemon: Daemon, number: int, names: list[str]) -> None:
    made = daemon.json("POST", f"/containers/create?name=c{number}", body(number, names))
    daemon.json("POST", f"/containers/{made['Id']}/start")  # type: ignore[index]


def remove(daemon: Daemon, name: str) -> None:
    status, reply = daemon.request("DELETE", f"/containers/{name}?force=1&v=1")
    assert status in (204, 404, 409), reply


def addresses(daemon: Daemon) -> list[str]:
    """Every address in use, from what the containers themselves say."""
    listed = daemon.json("GET", "/containers/json")
    return [
        endpoint["IPAddress"]
        for one in listed  # type: ignore[union-attr]
        for endpoint in one["NetworkSettings"]["Networks"].values()
    ]


def elements(daemon: Daemon) -> Counter[str]:
    """How many elements every set of our table has."""
    listed = json.loads(daemon.namespaces.check("nft", "-j", "list", "ruleset"))
    found: Counter[str] = Counter()
    for entry in listed["nftables"]:
        for kind in ("set", "map"):
            if kind in entry:
                found[entry[kind]["name"]] += len(entry[kind].get("elem", []))
    return found


def check_empty(daemon: Daemon, before: Counter[str]) -> None:
    for _ in poll("interfaces to go", 20):
        pairs = [name for name in daemon.namespaces.links() if name.startswith("wve")]
        if len(pairs) <= READY:
            break
    for name in [f"net{number}" for number in range(NETWORKS)]:
        shown = daemon.json("GET", f"/networks/{name}")
        assert shown["Containers"] == {}  # type: ignore[index]
        daemon.request("DELETE", f"/networks/{name}")
    assert elements(daemon) == before
    assert [name for name in daemon.namespaces.links() if name.startswith("br-")] == []


def test_a_crowd_leaves_nothing(daemon: Daemon) -> None:
    daemon.load_busybox()
    before = elements(daemon)
    names = networks(daemon)
    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(lambda number: start(daemon, number, names), range(CONTAINERS)))
        used = addresses(daemon)
        assert len(used) > CONTAINERS
        assert len(set(used)) == len(used)
        done = daemon.docker("exec", "c3", "nslookup", "alias3")
        assert done.returncode == 0, done.stdout
        assert done.stdout.count("Address") > 3

        # Half goes and comes again while the others stay.
        def again(number: int) -> None:
            remove(daemon, f"c{number}")
            start(daemon, number, names)

        list(pool.map(again, range(0, CONTAINERS, 2)))
        used = addresses(daemon)
        assert len(set(used)) == len(used)
        list(pool.map(lambda number: remove(daemon, f"c{number}"), range(CONTAINERS)))
    check_empty(daemon, before)


def test_kill_9_under_a_crowd_is_repaired(daemon: Daemon) -> None:
    daemon.load_busybox()
    before = elements(daemon)
    names = networks(daemon)
    choice = random.Random(6)
    for turn in range(4):
        stop = threading.Event()

        def client(number: int, turn: int = turn, stop: threading.Event = stop) -> None:
            count = 0
            while not stop.is_set():
                wanted = number + CLIENTS * count + 1000 * turn
                count += 1
                with contextlib.suppress(OSError, AssertionError):
                    start(daemon, wanted, names)
                    if count % 3 == 0:
                        remove(daemon, f"c{wanted}")

        threads = [threading.Thread(target=client, args=(n,)) for n in range(8)]
        for thread in threads:
            thread.start()
        time.sleep(choice.uniform(0.3, 1.2))
        daemon.kill9()
        stop.set()
        for thread in threads:
            thread.join()
        daemon.start()
        used = addresses(daemon)
        assert len(set(used)) == len(used)
        running = [
            one["Names"][0].lstrip("/")
            for one in daemon.json("GET", "/containers/json")  # type: ignore[union-attr]
        ]
        if running:
            done = daemon.docker("exec", running[0], "nslookup", running[0])
            assert done.returncode == 0, done.stdout + done.stderr
    listed = daemon.json("GET", "/containers/json?all=1")
    for one in listed:  # type: ignore[union-attr]
        remove(daemon, one["Id"])
    check_empty(daemon, before)
    assert os.listdir(daemon.exec_root / "netns") == []
