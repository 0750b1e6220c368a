import json

from support.build_bridge import FakeBridge
from wharfie.build.frontend import DockerfileFrontend
from wharfie.model.build.plan import FrontendRequest


async def test_targets_are_told_with_their_descriptions() -> None:
    text = b"# Build makes it\nFROM busybox AS Build\nFROM a\nFROM b AS last\n"
    request = FrontendRequest(dockerfile=text, check="targets")
    report = (await DockerfileFrontend().plan(request, FakeBridge())).report
    assert report["result.txt"] == (
        "TARGET          DESCRIPTION\nBuild           makes it\nlast (default)  \n"
    )
    assert json.loads(report["result.json"])["targets"] == [
        {"name": "Build", "description": "makes it", "base": "busybox"},
        {"base": "a"},
        {"name": "last", "default": True, "base": "b"},
    ]


async def test_a_last_stage_without_a_name_is_the_default() -> None:
    request = FrontendRequest(dockerfile=b"FROM busybox", check="targets")
    report = (await DockerfileFrontend().plan(request, FakeBridge())).report
    assert report["result.txt"] == "TARGET     DESCRIPTION\n(default)  \n"
