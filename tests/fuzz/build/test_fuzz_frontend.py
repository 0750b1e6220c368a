"""Whole builds of strangers, planned: a plan or an error, never a crash, and the same each time."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from support.build_bridge import FakeBridge, base_document
from wharfie.build.frontend import DockerfileFrontend
from wharfie.model.build.plan import BuildPlan, FrontendRequest, HistoryForm
from wharfie.model.errors import EngineError

WORDS = st.sampled_from(
    [
        "a", "b", "/a", "/b/", ".", "..", "../../x", "$A", "${A:-x}", "${B?}", "'q'", '"r s"', "80",
        "90-91/udp", "--from=s", "--from=0", "--from=9", "--link", "--chown=1:2", "--chmod=755",
        "--mount=type=cache,target=/c", "--mount=from=s,target=/m", "--platform=linux/arm64", "*",
        '["a","b"]', "A=1", "B=$A", "AS s", "AS t", "s", "busybox", "scratch", "maker", "<<E", "#",
        "http://h/x.tar", "https://h/r.git#v:d", "git@h:r.git", "CMD x", "NONE", "--retries=2",
    ]
)  # fmt: skip
NAMES = st.sampled_from(
    [
        "FROM", "RUN", "COPY", "ADD", "ENV", "ARG", "LABEL", "CMD", "ENTRYPOINT", "EXPOSE", "USER",
        "VOLUME", "WORKDIR", "ONBUILD", "HEALTHCHECK", "SHELL", "STOPSIGNAL", "MAINTAINER", "FOO",
    ]
)  # fmt: skip
LINES = st.builds(lambda name, words: " ".join([name, *words]), NAMES, st.lists(WORDS, max_size=4))
FILES = st.lists(LINES, max_size=8).map(lambda lines: "FROM busybox AS s\n" + "\n".join(lines))


def plan(text: str, form: HistoryForm, check: str) -> BuildPlan | str:
    request = FrontendRequest(
        dockerfile=text.encode(),
        history=form,
        check=check,
        arguments={"A": "1", "B": None},
        labels={"l": "1"},
        contexts={"t": "local://other", "maker": "docker-image://busybox"},
        ignore_file=b"a\n!b\n",
    )
    bridge = FakeBridge(maker=base_document(on_build=["RUN made", "COPY --from=s /a /b"]))
    try:
        return asyncio.run(DockerfileFrontend().plan(request, bridge))
    except EngineError as error:
        return error.message


@given(FILES, st.sampled_from(HistoryForm), st.sampled_from(["", "check", "outline", "targets"]))
def test_any_file_is_planned_or_refused(text: str, form: HistoryForm, check: str) -> None:
    first = plan(text, form, check)
    second = plan(text, form, check)
    if isinstance(first, str) or isinstance(second, str):
        assert first == second
        return
    assert [image.document for image in first.images] == [image.document for image in second.images]
    for one, other in zip(first.images, second.images, strict=True):
        assert (one.root and one.root.digest) == (other.root and other.root.digest)
        made = sum(not entry.empty_layer for entry in one.document.history)
        assert made >= 0
        assert all(entry.created_by or entry.comment for entry in one.document.history)
