"""The corpus of Dockerfiles, planned: configs, history and errors as genuine Docker has them.

The trees are compared where the steps are run (tests/conformance).
"""

import msgspec
import pytest

from support.build_bridge import FakeBridge
from support.dockerfile_corpus import Case, all_results, load_cases, settled, told_config
from wharfie.build.frontend import DockerfileFrontend
from wharfie.model.build.errors import DockerfileError
from wharfie.model.build.plan import BuildPlan, FrontendRequest, HistoryForm
from wharfie.model.image import History, ImageConfig, ImageDocument

PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
BASE = ImageDocument(
    architecture="amd64",
    os="linux",
    config=ImageConfig(cmd=["sh"], env=[PATH]),
    history=[History(created="2026-01-01T00:00:00Z", created_by="static busybox of the host")],
)
RESULTS = [
    pytest.param(case, builder, result, id=f"{case.name}-{builder}")
    for case, builder, result in all_results()
]


async def planned(case: Case, builder: str) -> BuildPlan:
    request = FrontendRequest(
        dockerfile=case.dockerfile,
        arguments=dict(case.arguments),
        labels=case.labels,
        target=case.target,
        history=HistoryForm(builder),
        ignore_file=case.ignore_file,
    )
    return await DockerfileFrontend().plan(request, FakeBridge(busybox=BASE))


@pytest.mark.parametrize(("case", "builder", "result"), RESULTS)
async def test_a_plan_is_what_genuine_docker_makes(
    case: Case, builder: str, result: dict[str, object]
) -> None:
    if result.get("phase") == "plan":
        with pytest.raises(DockerfileError) as caught:
            await planned(case, builder)
        assert str(caught.value) == result["error"]
        return
    (image,) = (await planned(case, builder)).images
    if "error" in result:
        return
    document = image.document
    assert told_config(msgspec.to_builtins(document.config)) == result["config"]
    assert document.author == result["author"]
    history = [settled(entry.created_by) for entry in document.history]
    genuine = result["history"]
    assert isinstance(genuine, list)
    assert history == [text for text, _ in genuine]
    # What is empty there is empty here, or turns out to be once it is run.
    for entry, (text, is_empty) in zip(document.history, genuine, strict=True):
        assert is_empty or not entry.empty_layer, text


def test_the_corpus_is_large_and_every_case_says_what_is_expected() -> None:
    cases = load_cases()
    assert len(cases) >= 150
    assert [case.name for case in cases if not case.expect] == []
