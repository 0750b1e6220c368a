"""Plans of whole Dockerfiles; configs and history are those genuine Docker 28.5 wrote."""

import pytest

from support.build_bridge import PATH, FakeBridge, base_document
from wharfie.build.frontend import DockerfileFrontend
from wharfie.model.build.errors import DockerfileError
from wharfie.model.build.graph import (
    EMPTY_SOURCE,
    CopyAction,
    ExecOp,
    FileOp,
    MakeDirectory,
    SourceOp,
    Vertex,
)
from wharfie.model.build.plan import CONTENT_MARK, FrontendRequest, HistoryForm, PlannedImage
from wharfie.model.image import ImageConfig


async def planned(text: str, bridge: FakeBridge | None = None, **request: object) -> PlannedImage:
    wanted = FrontendRequest(dockerfile=text.encode(), **request)  # type: ignore[arg-type]
    plan = await DockerfileFrontend().plan(wanted, bridge or FakeBridge())
    return plan.images[0]


def config_of(image: PlannedImage) -> ImageConfig:
    assert image.document.config is not None
    return image.document.config


def created_by(image: PlannedImage) -> list[str]:
    return [entry.created_by for entry in image.document.history[1:]]


def operations(vertex: Vertex | None) -> list[object]:
    """Of a vertex and what it stands on, bottom first."""
    found: list[object] = []
    while vertex is not None:
        found.insert(0, vertex.operation)
        vertex = vertex.inputs[0] if vertex.inputs else None
    return found


EVERYTHING = r"""FROM busybox
MAINTAINER me you
ENV A=1 B="x y" C=$A
ENV D a b  c
LABEL l="q r" m='z'
ARG X
ARG Y=2 Z
RUN echo hi
RUN ["echo","a b"]
WORKDIR /srv
WORKDIR sub
COPY f /x
COPY f d /y/
ADD d/ /z
COPY --chown=bob:bob f g* /w/
EXPOSE 90 80-82/udp
VOLUME /v /v2
VOLUME ["/v 3"]
USER bob
CMD ["a","b\"c"]
ENTRYPOINT x y
CMD z
SHELL ["/bin/sh","-ec"]
RUN echo $A
STOPSIGNAL 9
HEALTHCHECK --interval=5s --retries=3 CMD x y
HEALTHCHECK NONE
ONBUILD RUN  echo  hi
"""


async def test_every_instruction_leaves_what_the_classic_builder_leaves() -> None:
    image = await planned(EVERYTHING, arguments={"X": "xx", "HTTP_PROXY": "http://p"})
    config = config_of(image)
    assert config.cmd == ["/bin/sh", "-c", "z"]
    assert config.entrypoint == ["/bin/sh", "-c", "x y"]
    assert config.env == [PATH, "A=1", "B=x y", "C=", "D=a b  c"]
    assert set(config.exposed_ports or ()) == {"80/udp", "81/udp", "82/udp", "90/tcp"}
    assert config.healthcheck is not None
    assert config.healthcheck.test == ["NONE"]
    assert config.healthcheck.interval == 5_000_000_000
    assert config.healthcheck.retries == 3
    assert config.labels == {"l": "q r", "m": "z"}
    assert config.on_build == ["RUN  echo  hi"]
    assert config.shell == ["/bin/sh", "-ec"]
    assert (config.stop_signal, config.user, config.working_dir) == ("9", "bob", "/srv/sub")
    assert set(config.volumes or ()) == {"/v", "/v2", "/v 3"}
    assert image.document.author == "me you"
    assert created_by(image) == [
        "/bin/sh -c #(nop)  MAINTAINER me you",
        "/bin/sh -c #(nop)  ENV A=1 B=x y C=",
        "/bin/sh -c #(nop)  ENV D=a b  c",
        "/bin/sh -c #(nop)  LABEL l=q r m=z",
        "/bin/sh -c #(nop)  ARG X",
        "/bin/sh -c #(nop)  ARG Y=2 Z",
        "|2 X=xx Y=2 /bin/sh -c echo hi",
        "|2 X=xx Y=2 echo a b",
        "/bin/sh -c #(nop) WORKDIR /srv",
        "/bin/sh -c #(nop) WORKDIR /srv/sub",
        f"/bin/sh -c #(nop) COPY file:{CONTENT_MARK} in /x ",
        f"/bin/sh -c #(nop) COPY multi:{CONTENT_MARK} in /y/ ",
        f"/bin/sh -c #(nop) ADD dir:{CONTENT_MARK} in /z ",
        f"/bin/sh -c #(nop) COPY --chown=bob:bob multi:{CONTENT_MARK} in /w/ ",
        "/bin/sh -c #(nop)  EXPOSE 80-82/udp 90",
        "/bin/sh -c #(nop)  VOLUME [/v /v2]",
        "/bin/sh -c #(nop)  VOLUME [/v 3]",
        "/bin/sh -c #(nop)  USER bob",
        '/bin/sh -c #(nop)  CMD ["a" "b\\"c"]',
        '/bin/sh -c #(nop)  ENTRYPOINT ["/bin/sh" "-c" "x y"]',
        '/bin/sh -c #(nop)  CMD ["/bin/sh" "-c" "z"]',
        "/bin/sh -ec #(nop)  SHELL [/bin/sh -ec]",
        "|2 X=xx Y=2 /bin/sh -ec echo $A",
        "/bin/sh -ec #(nop)  STOPSIGNAL 9",
        "/bin/sh -ec #(nop)  HEALTHCHECK &{[CMD-SHELL x y] 5s 0s 0s 0s 3}",
        "/bin/sh -ec #(nop)  HEALTHCHECK &{[NONE] 0s 0s 0s 0s 0}",
        "/bin/sh -ec #(nop)  ONBUILD RUN  echo  hi",
    ]
    layers = [entry for entry in image.document.history[1:] if not entry.empty_layer]
    assert len(layers) == 9


async def test_the_seed_word_for_word() -> None:
    image = await planned("FROM busybox\nCOPY ./test.txt /\nCMD cat /test.txt\n")
    assert config_of(image).cmd == ["/bin/sh", "-c", "cat /test.txt"]
    source, copy = operations(image.root)
    assert isinstance(source, SourceOp)
    assert source.identifier.startswith("docker-image://docker.io/library/busybox:latest@")
    assert copy == FileOp(actions=[CopyAction(input=1, sources=["test.txt"], destination="/")])
    assert image.root is not None
    context = image.root.inputs[1].operation
    assert isinstance(context, SourceOp)
    assert context.identifier == "local://context"
    assert [instruction.text for instruction in image.instructions] == [
        "FROM busybox",
        "COPY ./test.txt /",
        "CMD cat /test.txt",
    ]
    assert [instruction.vertex is not None for instruction in image.instructions] == [
        True,
        True,
        False,
    ]


async def test_scratch_with_nothing_has_no_root_and_with_a_step_stands_on_the_empty_source() -> (
    None
):
    image = await planned("FROM scratch\nLABEL a=b\n")
    assert image.root is None
    assert image.base is None
    assert config_of(image).env == [PATH]
    image = await planned("FROM scratch\nWORKDIR /a\n")
    empty, made = operations(image.root)
    assert isinstance(empty, SourceOp)
    assert empty.identifier == EMPTY_SOURCE
    assert made == FileOp(actions=[MakeDirectory(path="/a")])


STAGES = """ARG V=latest
FROM busybox:$V AS one
ARG V
RUN echo $V > /v
FROM busybox AS unused
RUN false
FROM one
COPY --from=0 /v /w
RUN --mount=type=bind,from=one,target=/m cat /m/v
"""


async def test_stages_that_the_target_does_not_need_are_left_out() -> None:
    image = await planned(STAGES)
    texts = [instruction.text for instruction in image.instructions]
    assert texts[0] == "ARG V=latest"
    assert "RUN false" not in texts
    run = operations(image.root)[-1]
    assert isinstance(run, ExecOp)
    assert run.environment == [PATH, "V=latest"]
    told = [i for i in image.instructions if not i.begins_stage]
    names = [i.vertex.name for i in told if i.vertex is not None]
    assert names == [
        "[one 2/2] RUN echo latest > /v",
        "[stage-2 1/2] COPY --from=0 /v /w",
        "[stage-2 2/2] RUN --mount=type=bind,from=one,target=/m cat /m/v",
    ]


async def test_triggers_of_a_base_image_are_done_first() -> None:
    bridge = FakeBridge(maker=base_document(on_build=["COPY . /src", "RUN make"]))
    image = await planned("FROM maker\nUSER me\n", bridge)
    assert config_of(image).on_build is None
    assert [type(operation) for operation in operations(image.root)] == [SourceOp, FileOp, ExecOp]
    assert image.instructions[0].triggers == 2
    assert [i.is_trigger for i in image.instructions] == [False, True, True, False]


async def test_buildkit_form() -> None:
    image = await planned(
        'FROM busybox\nARG A=1\nRUN x\nWORKDIR /w\nCMD ["y"]\nEXPOSE 1\n',
        history=HistoryForm.BUILDKIT,
        epoch=0,
    )
    history = image.document.history[1:]
    assert [entry.created_by for entry in history] == [
        "ARG A=1",
        "RUN |1 A=1 /bin/sh -c x # buildkit",
        "WORKDIR /w",
        'CMD ["y"]',
        "EXPOSE [1/tcp]",
    ]
    assert {entry.comment for entry in history} == {"buildkit.dockerfile.v0"}
    assert {entry.created for entry in history} == {"1970-01-01T00:00:00Z"}


@pytest.mark.parametrize(
    ("text", "message", "is_syntax"),
    [
        ("", "the Dockerfile (Dockerfile) cannot be empty", True),
        ("# only", "failed to parse Dockerfile: file with no instructions", True),
        ("RUN x", "no build stage in current context", True),
        ("FROM busybox\nFOO\nLABEL a=1 b", "failed to parse Dockerfile: Syntax error - can't find "
         '= in "b". Must be of the form: name=value', True),
        ("FROM busybox\nFOO bar", "dockerfile parse error on line 2: unknown instruction: FOO "
         "(did you mean FROM?)", True),
        ("FROM busybox\nxuser x", "dockerfile parse error on line 2: unknown instruction: xuser "
         "(did you mean user?)", True),
        ("FROM $X", "base name ($X) should not be blank", False),
        ("FROM busybox\nENV a=${b:?no}", 'failed to process "${b:?no}": b: no', False),
        ("FROM busybox\nCOPY --from=9 x /x", "invalid from flag value 9: index out of bounds",
         False),
        ("FROM busybox\nCOPY f g /x", "When using COPY with more than one source file, the "
         "destination must be a directory and end with a /", False),
        ("FROM busybox\nEXPOSE foo", "Invalid containerPort: foo", False),
        ("FROM busybox\nSTOPSIGNAL FOO", "invalid signal: FOO", False),
    ],
)  # fmt: skip
async def test_errors_in_the_words_of_the_classic_builder(
    text: str, message: str, is_syntax: bool
) -> None:
    with pytest.raises(DockerfileError) as caught:
        await planned(text)
    assert str(caught.value) == message
    assert caught.value.is_syntax == is_syntax
