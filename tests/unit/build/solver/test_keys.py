"""Keys of steps: what decides a result, and nothing else."""

import pytest

from wharfie.build.solver.keys import image_key, renewed_key, step_key
from wharfie.model.build.graph import CopyAction, ExecOp, FileOp, MountKind, Operation, StepMount

RUN = ExecOp(arguments=["make"], environment=["A=1"])


def key(operation: Operation, *inputs: str, epoch: int | None = None) -> str:
    return step_key(operation, inputs, epoch=epoch)


@pytest.mark.parametrize(
    "other",
    [
        ExecOp(arguments=["make", ""], environment=["A=1"]),
        ExecOp(arguments=["make"], environment=["A=2"]),
        ExecOp(arguments=["make"], environment=["A=1"], user="app"),
        ExecOp(arguments=["make"], environment=["A=1"], network="none"),
        ExecOp(arguments=["make"], environment=["A=1"], security="insecure"),
        ExecOp(
            arguments=["make"],
            environment=["A=1"],
            mounts=[StepMount(kind=MountKind.CACHE, target="/c", id="c")],
        ),
        FileOp(actions=[CopyAction(input=1, sources=["make"], destination="/")]),
    ],
)
def test_another_operation_has_another_key(other: Operation) -> None:
    assert key(other, "base") != key(RUN, "base")


def test_inputs_and_their_order_count() -> None:
    keys = {key(RUN, "a", "b"), key(RUN, "b", "a"), key(RUN, "ab"), key(RUN, "ab", "")}
    assert len(keys) == 4


def test_proxies_are_no_part_of_a_key() -> None:
    proxied = ExecOp(arguments=["make"], environment=["A=1"], proxies=["HTTP_PROXY=http://x"])
    assert key(proxied, "base") == key(RUN, "base")


def test_cut_times_are() -> None:
    assert len({key(RUN, "a"), key(RUN, "a", epoch=0), key(RUN, "a", epoch=1)}) == 3


def test_an_image_is_named_by_its_digest_alone() -> None:
    one = image_key("docker-image://docker.io/library/a:1@sha256:aa")
    assert one == image_key("docker-image://example.com:5000/b@sha256:aa")
    assert one != image_key("docker-image://docker.io/library/a:1@sha256:bb")


def test_a_renewed_result_stands_for_itself() -> None:
    assert len({renewed_key("k", "1"), renewed_key("k", "2"), "k"}) == 3
