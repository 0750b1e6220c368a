"""Names of vertices."""

from wharfie.model.build.graph import (
    CopyAction,
    ExecOp,
    FileOp,
    MountKind,
    SourceOp,
    StepMount,
    Vertex,
)

BUSYBOX = Vertex(SourceOp(identifier="docker-image://docker.io/library/busybox@sha256:1"))


def run(*words: str, **fields: object) -> Vertex:
    return Vertex(ExecOp(arguments=list(words), **fields), [BUSYBOX])  # type: ignore[arg-type]


def test_equal_work_has_one_name() -> None:
    assert run("make").digest == run("make").digest
    assert run("make").digest != run("make", "all").digest
    assert run("make").digest != run("make", user="nobody").digest


def test_a_vertex_is_named_after_what_it_stands_on() -> None:
    other = Vertex(SourceOp(identifier="docker-image://docker.io/library/busybox@sha256:2"))
    step = ExecOp(arguments=["make"])
    assert Vertex(step, [BUSYBOX]).digest != Vertex(step, [other]).digest
    assert Vertex(step, [BUSYBOX, other]).digest != Vertex(step, [other, BUSYBOX]).digest


def test_words_for_people_and_proxies_do_not_name_it() -> None:
    assert run("make", proxies=["HTTP_PROXY=http://a"]).digest == run("make").digest
    named = Vertex(ExecOp(arguments=["make"]), [BUSYBOX], name="[1/2] RUN make", ignore_cache=True)
    assert named.digest == run("make").digest


def test_kinds_of_operations_are_told_apart() -> None:
    copy = FileOp(actions=[CopyAction(input=1, sources=["/a"], destination="/b")])
    linked = FileOp(actions=copy.actions, linked=True)
    mounted = run("make", mounts=[StepMount(kind=MountKind.TMPFS, target="/tmp")])
    names = {Vertex(op, [BUSYBOX]).digest for op in (copy, linked)}
    assert len(names | {mounted.digest, run("make").digest}) == 4
