"""Images of solved graphs on a real kernel: squashed, and with a cache inside."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.solving import Order, SolvingDaemon, copy, run
from wharfie.model.build.solver import SolveOptions

pytestmark = pytest.mark.root


@pytest.fixture(scope="module")
def solver() -> Iterator[SolvingDaemon]:
    with SolvingDaemon() as own:
        own.start()
        own.load_busybox()
        yield own


def layers(daemon: SolvingDaemon, name: str) -> list[str]:
    text = daemon.docker("image", "inspect", "-f", "{{json .RootFS.Layers}}", name).stdout
    found: list[str] = json.loads(text)
    return found


def test_squashing_makes_one_layer_that_shows_the_same(solver: SolvingDaemon) -> None:
    make = "mkdir -p /d/sub /e; echo 1 > /d/a; echo 2 > /d/sub/b; ln /d/a /d/l; echo x > /e/f"
    change = (
        "rm /d/a; rm -r /e; mkdir /e; echo new > /e/g; chmod 700 /d; rm /bin/true; rm /etc/group"
    )
    again = "rm -r /d/sub; echo file > /d/sub; ln -s /d /etc/group; rm -r /home; mkdir /home"
    look = "cd /; find d e home etc/group bin/true -exec stat -c '%n %a %u:%g %F' {} + | sort"
    vertices = [solver.base(), run(make), run(change, [1]), run(again, [2])]
    for squash in (False, True):
        order = Order(
            vertices=vertices, names=[f"docker.io/library/s{squash}:latest".lower()], squash=squash
        )
        assert not solver.solve(order)[0].error
    base, plain, squashed = (layers(solver, name) for name in ("busybox", "sfalse", "strue"))
    assert len(plain) == len(base) + 3
    assert len(squashed) == len(base) + 1
    assert squashed[: len(base)] == base
    seen = [
        solver.docker("run", "--rm", name, "sh", "-c", look).stdout for name in ("sfalse", "strue")
    ]
    assert "d/sub 644 0:0 regular file" in seen[0]
    assert seen[0] == seen[1]
    # What the layer packs to is what its digest says.
    assert solver.docker("save", "-o", str(solver.directory / "s.tar"), "strue").returncode == 0


def test_an_image_brings_its_cache_to_another_engine(solver: SolvingDaemon, tmp_path: Path) -> None:
    def vertices(daemon: SolvingDaemon) -> list[object]:
        return [
            daemon.base(),
            run("echo stage; mkdir /m; echo 1 > /m/f"),
            run("echo first > /first", [0]),
            copy("m", "/c/", [2, 1]),
            run("cat /c/f", [3]),
        ]

    name = "docker.io/library/caching:latest"
    order = Order(vertices=vertices(solver), names=[name], inline_cache=True)
    outcome, told = solver.solve(order)
    assert told.output == b"stage\n1\n"
    archive = tmp_path / "image.tar"
    solver.docker("save", "-o", str(archive), "caching", "busybox")
    with SolvingDaemon() as other:
        other.start()
        other.docker("load", "-i", str(archive))
        options = SolveOptions(cache_from=[name, "docker.io/library/nosuch:latest"])
        again = Order(vertices=vertices(other), options=options)
        found, told = other.solve(again)
        assert not found.error
        assert told.output == b""
        assert found.solved[0].cached
        assert [one.diff_id for one in found.solved[0].layers] == [
            one.diff_id for one in outcome.solved[0].layers
        ]
        again.vertices[4] = run("cat /c/f /first", [3])
        assert other.solve(again)[1].output.endswith(b"1\nfirst\n")
