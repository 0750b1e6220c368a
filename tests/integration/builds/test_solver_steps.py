"""The solver on a real kernel: steps run, layers are kept, the cache holds over restarts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.solving import Order, SolvingDaemon, copy, local, run

pytestmark = pytest.mark.root


@pytest.fixture(scope="module")
def solver() -> Iterator[SolvingDaemon]:
    with SolvingDaemon() as own:
        own.start()
        own.load_busybox()
        yield own


def test_a_step_runs_and_its_files_are_in_the_image(solver: SolvingDaemon) -> None:
    order = Order(
        vertices=[solver.base(), run("echo out; echo err >&2; echo hello > /made")],
        names=["docker.io/library/made:latest"],
    )
    outcome, told = solver.solve(order)
    assert not outcome.error
    assert {(log.stream, log.data) for log in told.logs} == {(1, b"out\n"), (2, b"err\n")}
    assert solver.docker("run", "--rm", "made", "cat", "/made").stdout == "hello\n"
    outcome, told = solver.solve(order)
    assert not outcome.error
    assert told.ran() == []
    assert outcome.solved[0].cached


def test_a_layer_holds_nothing_of_the_engine(solver: SolvingDaemon) -> None:
    outcome, _ = solver.solve(Order(vertices=[solver.base(), run("touch /own")]))
    assert not outcome.error
    layer = outcome.solved[0].layers[-1]
    (found,) = (solver.data_root / "snapshots").glob("*/diff/own")
    assert {path.name for path in found.parent.rglob("*")} == {"own"}
    assert layer.size == 0


def test_a_failing_step_says_so_in_docker_s_words(solver: SolvingDaemon) -> None:
    outcome, _ = solver.solve(Order(vertices=[solver.base(), run("exit 7")]))
    assert (outcome.kind, outcome.code) == ("StepFailed", 7)
    assert outcome.error == "The command '/bin/sh -c exit 7' returned a non-zero code: 7"


def test_files_of_a_context_are_copied_and_only_their_change_copies_again(
    solver: SolvingDaemon, tmp_path: Path
) -> None:
    (tmp_path / "in").write_text("1")
    (tmp_path / "other").write_text("1")
    order = Order(
        vertices=[solver.base(), local(), copy("in", "/there/"), run("cat /there/in", [2])],
        contexts={"context": str(tmp_path)},
    )
    outcome, told = solver.solve(order)
    assert not outcome.error
    assert told.output == b"1"
    (tmp_path / "other").write_text("2")
    (tmp_path / "in").touch()
    outcome, told = solver.solve(order)
    assert told.output == b""
    assert outcome.solved[0].cached
    (tmp_path / "in").write_text("2")
    outcome, told = solver.solve(order)
    assert told.output == b"2"


def test_a_missing_file_is_named(solver: SolvingDaemon, tmp_path: Path) -> None:
    order = Order(
        vertices=[solver.base(), local(), copy("no/such", "/there/")],
        contexts={"context": str(tmp_path)},
    )
    outcome, _ = solver.solve(order)
    assert outcome.error == (
        "COPY failed: file not found in build context or excluded by .dockerignore: "
        "stat no/such: file does not exist"
    )


def test_the_cache_outlives_the_daemon() -> None:
    with SolvingDaemon() as own:
        own.start()
        own.load_busybox()
        order = Order(vertices=[own.base(), run("echo one > /one"), run("cat /one", [1])])
        outcome, told = own.solve(order)
        assert not outcome.error
        assert told.output == b"one\n"
        own.kill9()
        own.start()
        again, told = own.solve(order)
        assert not again.error
        assert told.ran() == []
        assert again.solved[0].layers == outcome.solved[0].layers
