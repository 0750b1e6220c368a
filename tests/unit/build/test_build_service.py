"""Builds on fakes: what is told, in which order, and what is left behind."""

import asyncio
import json
from collections.abc import Awaitable, Callable

import pytest
from msgspec import structs

from support.build_fakes import BASE, BuildBench, body, copy, instruction, plan, run, source
from wharfie.api.building.classic import classic_stream
from wharfie.api.building.trace import trace_stream
from wharfie.build.request import BuildRequest
from wharfie.model.build.errors import DockerfileError
from wharfie.model.build.graph import EMPTY_SOURCE, SourceOp, Vertex
from wharfie.model.build.solver import PruneRequest
from wharfie.model.errors import EngineError, Forbidden, InvalidArgument


def messages(
    bench: BuildBench, request: BuildRequest | None = None, *, trace: bool = False
) -> list[dict[str, object]]:
    spell = trace_stream if trace else classic_stream

    async def read() -> list[dict[str, object]]:
        asked = request or BuildRequest()
        chunks = spell(asked, bench.builds.build(asked, body(b"tar")))
        return [json.loads(chunk) async for chunk in chunks]

    return asyncio.run(read())


def text(found: list[dict[str, object]]) -> str:
    return "".join(str(one.get("stream", "")) for one in found)


def three_steps() -> BuildBench:
    base = source()
    made = run("echo hi", base)
    return BuildBench(
        plan(
            instruction("FROM busybox", base),
            instruction("LABEL a=b", None, labels={"a": "b"}),
            instruction("RUN echo hi", made, labels={"a": "b"}),
        )
    )


def test_steps_are_told_as_docker_tells_them() -> None:
    bench = three_steps()
    bench.solver.outputs["RUN echo hi"] = [(1, b"hi\n"), (2, b"oh\n")]
    found = messages(bench, BuildRequest(tags=["docker.io/library/x:latest"]))
    image = bench.exporter.exported[0]
    assert image.names == ["docker.io/library/x:latest"]
    lines = text(found).splitlines()
    container = lines[3].removeprefix(" ---> Running in ")
    assert lines[:4] == [
        "Step 1/3 : FROM busybox",
        f" ---> {BASE[:12]}",
        "Step 2/3 : LABEL a=b",
        f" ---> Running in {container}",
    ]
    assert lines[4] == f" ---> Removed intermediate container {container}"
    assert lines[6] == "Step 3/3 : RUN echo hi"
    assert lines[7].startswith(" ---> Running in ")
    assert lines[8:10] == ["hi", "\x1b[91moh"]
    assert lines[-2].startswith("Successfully built ")
    assert lines[-1] == "Successfully tagged x:latest"
    [aux] = [one["aux"] for one in found if "aux" in one]
    assert isinstance(aux, dict)
    assert aux["ID"].removeprefix("sha256:")[:12] == lines[-2].split()[-1]
    assert bench.contexts.received == b"tar"
    assert [held.is_closed for held in bench.contexts.held] == [True]
    assert bench.solver.open_jobs == 0


def test_what_is_there_is_told_to_be_cached() -> None:
    bench = three_steps()
    first = messages(bench)
    bench.solver.cached = {"FROM busybox", "RUN echo hi"}
    second = messages(bench)
    assert "Using cache" not in text(first)
    assert text(second).count(" ---> Using cache\n") == 2
    assert "Running in" not in text(second)
    assert text(first).splitlines()[-1] == text(second).splitlines()[-1]
    created = [event for event in list(bench.events._ring) if event.action == "create"]
    assert len(created) == 1


def test_quiet_builds_say_their_id_alone() -> None:
    bench = three_steps()
    [found] = messages(bench, BuildRequest(quiet=True))
    assert str(found["stream"]).startswith("sha256:")
    assert str(found["stream"]).endswith("\n")


@pytest.mark.parametrize("quiet", [False, True])
def test_a_failed_command_is_told_with_its_code(quiet: bool) -> None:
    bench = three_steps()
    bench.solver.outputs["RUN echo hi"] = [(1, b"about to fail\n")]
    bench.solver.failures["RUN echo hi"] = 3
    found = messages(bench, BuildRequest(quiet=quiet))
    words = "The command '/bin/sh -c echo hi' returned a non-zero code: 3"
    assert found[-1] == {"errorDetail": {"code": 3, "message": words}, "error": words}
    assert "about to fail" in text(found)
    assert "Successfully" not in text(found)
    assert not bench.exporter.exported
    assert all(held.is_closed for held in bench.contexts.held)


def test_unused_arguments_are_warned_of() -> None:
    bench = three_steps()
    assert not isinstance(bench.frontend.answer, EngineError)
    bench.frontend.answer = plan(*bench.frontend.answer.images[0].instructions, unused=["Y", "X"])
    assert "[Warning] One or more build-args [X Y] were not consumed\n" in text(messages(bench))


def test_output_waits_for_its_turn() -> None:
    """Stages run side by side, and are told one after the other."""
    base = source()
    slow = run("slow", base)
    quick = run("quick", slow)
    bench = BuildBench(
        plan(
            instruction("FROM busybox", base),
            instruction("RUN quick", slow),
            instruction("RUN slow", quick),
        )
    )
    bench.solver.outputs = {"RUN slow": [(1, b"one\n")], "RUN quick": [(1, b"two\n")]}
    lines = text(messages(bench)).splitlines()
    assert lines.index("one") > lines.index("Step 2/3 : RUN quick")
    assert lines.index("two") > lines.index("Step 3/3 : RUN slow")


def test_the_failed_step_is_the_last_that_is_told() -> None:
    """A step of a later stage fails while an earlier stage goes on."""
    base = source()
    slow = run("slow", base)
    failing = run("fail", base)
    joined = copy(slow)
    joined = type(joined)(joined.operation, [slow, failing], name="COPY --from=b x y")
    bench = BuildBench(
        plan(
            instruction("FROM busybox AS a", base),
            instruction("RUN fail", failing),
            instruction("FROM busybox AS b", base),
            instruction("RUN slow", slow),
            instruction("COPY --from=b x y", joined),
        )
    )
    bench.solver.gates["RUN slow"] = asyncio.Event()
    bench.solver.outputs["RUN fail"] = [(1, b"last words\n")]
    bench.solver.failures["RUN fail"] = 1
    found = messages(bench)
    lines = text(found).splitlines()
    assert "last words" in lines
    assert [line for line in lines if line.startswith("Step")][-1] == "Step 2/5 : RUN fail"
    assert found[-1]["error"]
    assert "RUN slow" not in bench.solver.ended


@pytest.mark.parametrize(
    "answer",
    [
        DockerfileError("dockerfile parse error on line 1: unknown instruction: X", is_syntax=True),
        InvalidArgument('target stage "zz" could not be found'),
    ],
)
def test_errors_before_output_are_raised(answer: EngineError) -> None:
    with pytest.raises(type(answer)):
        messages(BuildBench(answer))


def test_missing_and_empty_dockerfiles() -> None:
    bench = three_steps()
    with pytest.raises(EngineError, match="Cannot locate specified Dockerfile: other"):
        messages(bench, BuildRequest(dockerfile="other"))
    bench.contexts.files = {"Dockerfile": b""}
    with pytest.raises(InvalidArgument, match=r"the Dockerfile \(Dockerfile\) cannot be empty"):
        messages(bench)
    bench.contexts.files = {"Dockerfile": b"FROM x"}
    with pytest.raises(InvalidArgument, match="forbidden path outside the build context"):
        messages(bench, BuildRequest(dockerfile="../Dockerfile"))
    bench.contexts.files = {"dockerfile": b"FROM x", "dockerfile.dockerignore": b"a"}
    messages(bench)
    assert bench.frontend.asked[-1].ignore_file == b"a"
    assert all(held.is_closed for held in bench.contexts.held)


def test_entitlements_are_refused_unless_allowed() -> None:
    bench = three_steps()
    with pytest.raises(Forbidden, match=r"security\.insecure is not allowed"):
        messages(bench, BuildRequest(entitlements=["security.insecure"]))
    messages(bench, BuildRequest(entitlements=["network.host"]))
    assert bench.solver.options[-1].entitlements == ["network.host"]


def cancelling(bench: BuildBench, cancel: Callable[[object], Awaitable[None]]) -> list[object]:
    async def scene() -> list[object]:
        bench.solver.gates["RUN echo hi"] = asyncio.Event()
        request = BuildRequest(id="b1")
        chunks = classic_stream(request, bench.builds.build(request, body()))
        found: list[object] = []
        async for chunk in chunks:
            found.append(json.loads(chunk))
            if b"Step 3/3" in chunk:
                await cancel(chunks)
        return found

    return asyncio.run(scene())


def test_a_client_that_leaves_cancels() -> None:
    bench = three_steps()

    async def leave(chunks: object) -> None:
        await chunks.aclose()  # type: ignore[attr-defined]

    cancelling(bench, leave)
    assert bench.solver.ended == ["FROM busybox"]
    assert bench.solver.open_jobs == 0
    assert all(held.is_closed for held in bench.contexts.held)


def test_a_build_is_cancelled_by_its_name() -> None:
    bench = three_steps()

    async def cancel(_: object) -> None:
        bench.builds.cancel("another")
        bench.builds.cancel("b1")

    found = cancelling(bench, cancel)
    assert found[-1] == {
        "errorDetail": {"message": "context canceled"},
        "error": "context canceled",
    }
    with pytest.raises(InvalidArgument, match="build ID not provided"):
        bench.builds.cancel("")


def test_traces_tell_of_vertices() -> None:
    bench = three_steps()
    bench.solver.outputs["RUN echo hi"] = [(1, b"hi\n")]
    found = messages(bench, trace=True)
    kinds = [next(iter(one)) for one in found]
    assert kinds == [
        "warnings",
        *["vertex"] * 3,
        "log",
        *["vertex"] * 2,
        "status",
        "vertex",
        "image",
    ]
    with pytest.raises(Forbidden):
        messages(bench, BuildRequest(entitlements=["x"]), trace=True)


def test_the_cache_is_told_and_pruned() -> None:
    bench = three_steps()
    messages(bench)

    async def scene() -> None:
        assert [one.id for one in await bench.builds.records()] == ["r1", "build-contexts"]
        assert await bench.builds.prune(PruneRequest(reserved=5)) == (["r1", "build-contexts"], 47)
        assert bench.contexts.pruned == [5]
        only = PruneRequest(filters={"type": ["exec.cachemount"]})
        assert await bench.builds.prune(only) == (["r1"], 7)

    asyncio.run(scene())
    event = list(bench.events._ring)[-1]
    assert (event.type, event.action, event.actor.attributes) == (
        "builder",
        "prune",
        {"reclaimed": "7"},
    )


def test_triggers_are_told_with_their_from() -> None:
    base = source()
    triggered = run("tt", base)
    first = structs.replace(instruction("FROM onb", base), triggers=2)
    bench = BuildBench(
        plan(
            structs.replace(instruction("ARG X=1", None), is_global=True),
            first,
            structs.replace(instruction("RUN tt", triggered), is_trigger=True),
            structs.replace(instruction("LABEL x=1", None, labels={"x": "1"}), is_trigger=True),
        )
    )
    bench.solver.outputs["RUN tt"] = [(1, b"tt\n")]
    lines = [line.rsplit(" ", 1)[0] for line in text(messages(bench)).splitlines()]
    assert lines == [
        "Step 1/2 : ARG",
        "Step 2/2 : FROM",
        "# Executing 2 build",
        " ---> Running in",
        "tt",
        " ---> Removed intermediate container",
        " ---> Running in",
        " ---> Removed intermediate container",
        " --->",
        "Successfully built",
    ]


def test_nothing_is_no_image() -> None:
    empty = Vertex(SourceOp(identifier=EMPTY_SOURCE), name="FROM scratch")
    found = messages(BuildBench(plan(instruction("FROM scratch", empty))))
    assert text(found) == "Step 1/1 : FROM scratch\n ---> \n"
    assert found[-1]["error"] == "No image was generated. Is your Dockerfile empty?"
