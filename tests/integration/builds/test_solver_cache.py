"""The build cache and steps under way on a real kernel: shared, cancelled, killed, pruned."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.netns import poll
from support.solving import Order, PlannedVertex, SolvingDaemon, copy, local, run
from wharfie.model.build.graph import EMPTY_SOURCE, SourceOp
from wharfie.model.build.solver import SolveOptions

pytestmark = pytest.mark.root


@pytest.fixture(scope="module")
def solver() -> Iterator[SolvingDaemon]:
    with SolvingDaemon() as own:
        own.start()
        own.load_busybox()
        yield own


def layers(solver: SolvingDaemon) -> set[str]:
    return {path.name for path in (solver.data_root / "snapshots").iterdir()} - {"empty"}


def running(marker: str) -> bool:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if marker.encode() in path.read_bytes():
                return True
    return False


def wait_gone(marker: str) -> None:
    for _ in poll(f"the end of {marker}"):
        if not running(marker):
            return


def wait_recorded(solver: SolvingDaemon) -> None:
    """Wait for a first record: a layer is hashed while the next step runs already."""
    for _ in poll("a record of a step"):
        if solver.prune(filters={"id": ["none"]}).records:
            return


def test_what_ignores_the_cache_runs_and_so_does_what_stands_on_it(solver: SolvingDaemon) -> None:
    vertices = [solver.base(), run("cat /proc/uptime > /u"), run("cat /u", [1])]
    first = solver.solve(Order(vertices=vertices))[1].output
    assert solver.solve(Order(vertices=vertices))[1].output == b""
    vertices[1].ignore_cache = True
    _, told = solver.solve(Order(vertices=vertices))
    assert len(told.ran()) == 2
    assert told.output != first
    vertices[1].ignore_cache = False
    outcome, told = solver.solve(Order(vertices=vertices))
    assert told.ran() == []
    assert outcome.solved[0].cached


def test_equal_steps_of_two_builds_run_once_and_both_hear_them(solver: SolvingDaemon) -> None:
    order = Order(vertices=[solver.base(), run("echo begun; sleep 1; cat /proc/uptime")])
    with solver.begin(order) as one:
        one.wait_output(b"begun\n")
        with solver.begin(order) as two:
            first, second = one.outcome(), two.outcome()
            assert one.output == two.output
    assert first.solved[0].layers == second.solved[0].layers


def test_a_cancelled_build_ends_its_step_unless_another_one_wants_it(
    solver: SolvingDaemon,
) -> None:
    before = layers(solver)
    order = Order(vertices=[solver.base(), run("echo begun; sleep 987001")])
    with solver.begin(order) as one, solver.begin(order) as two:
        one.wait_output(b"begun\n")
        two.wait_output(b"begun\n")
        one.close()
        assert running("987001")
        two._socket.settimeout(0.3)
        with pytest.raises(TimeoutError):
            two._socket.recv(1)
        assert running("987001")
    wait_gone("987001")
    for _ in poll("the removal of what the step wrote"):
        if layers(solver) == before:
            break
    assert solver.docker("ps", "-aq").stdout == ""


def test_independent_steps_run_side_by_side(solver: SolvingDaemon) -> None:
    vertices = [solver.base(), *(run(f"sleep 1; echo {n} > /{n}") for n in range(4))]
    for n in range(4):
        vertices.append(copy(f"/{n}", "/all/", [len(vertices) - 1 if n else 0, n + 1]))
    began = time.monotonic()
    outcome, _ = solver.solve(Order(vertices=vertices))
    assert not outcome.error
    assert time.monotonic() - began < 3.5


def test_steps_nobody_needs_do_not_run(solver: SolvingDaemon) -> None:
    vertices = [solver.base(), run("echo unused"), run("echo used")]
    _, told = solver.solve(Order(vertices=vertices))
    assert told.output == b"used\n"


def test_a_result_is_found_without_what_it_stands_on(solver: SolvingDaemon) -> None:
    vertices = [
        solver.base(),
        run("echo stage; mkdir /m; echo 1 > /m/f"),
        copy("/m", "/c/", [0, 1]),
    ]
    order = Order(vertices=vertices)
    assert solver.solve(order)[1].output == b"stage\n"
    left = solver.prune(all=True, filters={"description": ["RUN echo stage"]})
    assert len(left.pruned) == 1
    outcome, told = solver.solve(order)
    assert told.output == b""
    assert outcome.solved[0].cached


def test_pruning_frees_layers_and_what_is_missing_is_made_again(solver: SolvingDaemon) -> None:
    solver.prune(all=True)
    before = layers(solver)
    order = Order(vertices=[solver.base(), run("head -c 100000 /dev/zero > /big; echo ran")])
    assert solver.solve(order)[1].output == b"ran\n"
    assert len(layers(solver)) == len(before) + 1
    left = solver.prune(all=True)
    assert left.freed == 100_000
    assert left.records == []
    for _ in poll("the layer's removal"):
        if layers(solver) == before:
            break
    assert solver.solve(order)[1].output == b"ran\n"


def test_a_result_knows_what_it_stands_on(solver: SolvingDaemon) -> None:
    solver.prune(all=True)
    order = Order(vertices=[solver.base(), run("touch /below"), run("touch /above", [1])])
    assert not solver.solve(order)[0].error
    records = solver.prune(filters={"id": ["none"]}).records
    below, above = sorted(records, key=lambda record: len(record.parents))
    assert (below.parents, above.parents) == ([], [below.id])


def test_what_an_image_or_a_build_holds_is_not_pruned_away(solver: SolvingDaemon) -> None:
    solver.prune(all=True)
    order = Order(
        vertices=[solver.base(), run("echo held > /f")], names=["docker.io/library/held:latest"]
    )
    outcome, _ = solver.solve(order)
    assert outcome.image
    assert solver.prune().freed == 0
    solver.prune(all=True)
    assert solver.docker("run", "--rm", "held", "cat", "/f").stdout == "held\n"
    order.vertices.append(run("echo begun; sleep 987002", [1]))
    with solver.begin(order) as one:
        one.wait_output(b"begun\n")
        wait_recorded(solver)
        (record,) = solver.prune(all=True).records
        assert record.in_use
    wait_gone("987002")


def test_after_kill_9_nothing_is_left_and_finished_steps_are_cached() -> None:
    with SolvingDaemon() as own:
        own.start()
        own.load_busybox()
        vertices = [
            own.base(),
            run("echo first; echo 1 > /f"),
            run("echo begun; sleep 987003", [1]),
        ]
        known = layers(own)
        with own.begin(Order(vertices=vertices)) as one:
            one.wait_output(b"begun\n")
            wait_recorded(own)
            own.kill9()
        own.start()
        wait_gone("987003")
        for _ in poll("the removal of what the step wrote"):
            if len(layers(own)) == len(known) + 1:
                break
        assert own.cgroups() == []
        assert not any((own.data_root / "containers").iterdir())
        vertices[2] = run("cat /f", [1])
        _, told = own.solve(Order(vertices=vertices))
        assert told.output == b"1\n"


def test_with_cut_times_the_same_input_gives_the_same_digests(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("x")
    digests = []
    for _ in range(2):
        with SolvingDaemon() as own:
            own.start()
            own.load_busybox()
            order = Order(
                vertices=[
                    own.base(),
                    local(),
                    copy("f", "/a/b/"),
                    run("mkdir /m; echo 1 > /m/f; ln -s f /m/l; rm /bin/true", [2]),
                ],
                contexts={"context": str(tmp_path)},
                options=SolveOptions(epoch=1_000_000_000),
            )
            outcome, _ = own.solve(order)
            assert not outcome.error
            digests.append([layer.diff_id for layer in outcome.solved[0].layers])
            (tmp_path / "f").touch()
    assert digests[0] == digests[1]


def test_steps_may_stand_on_nothing(solver: SolvingDaemon, tmp_path: Path) -> None:
    (tmp_path / "f").write_text("x")
    empty = PlannedVertex(operation=SourceOp(identifier=EMPTY_SOURCE))
    order = Order(
        vertices=[empty, local(), copy("f", "/"), copy("f", "/g/", [2, 1])],
        contexts={"context": str(tmp_path)},
    )
    outcome, _ = solver.solve(order)
    assert not outcome.error
    assert len(outcome.solved[0].layers) == 2
    order.vertices.append(run("true", [3]))
    outcome, _ = solver.solve(order)
    assert outcome.kind == "StartFailed"
    assert "/bin/sh" in outcome.error


def test_a_context_can_be_stood_on(solver: SolvingDaemon, tmp_path: Path) -> None:
    (tmp_path / "f").write_text("x")
    (tmp_path / "g").write_text("x")
    order = Order(
        vertices=[local(exclude='["g"]'), solver.base(), copy("/etc/passwd", "/h")],
        contexts={"context": str(tmp_path)},
    )
    order.vertices += [copy(".", "/c/", [1, 2]), run("ls /c", [3])]
    outcome, told = solver.solve(order)
    assert not outcome.error
    assert told.output == b"f\nh\n"


def test_many_builds_at_once_do_not_disturb_each_other(solver: SolvingDaemon) -> None:
    outcomes = []

    def build(number: int) -> None:
        order = Order(
            vertices=[
                solver.base(),
                run("echo shared > /shared"),
                run(f"echo {number} > /own; cat /shared /own", [1]),
            ]
        )
        outcomes.append((number, *solver.solve(order)))

    threads = [threading.Thread(target=build, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {(n, told.output, outcome.error) for n, outcome, told in outcomes} == {
        (n, f"shared\n{n}\n".encode(), "") for n in range(8)
    }
