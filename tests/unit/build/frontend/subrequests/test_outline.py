import json

from support.build_bridge import FakeBridge
from wharfie.build.frontend import DockerfileFrontend
from wharfie.model.build.plan import FrontendRequest

TEXT = b"""# VERSION of the base
ARG VERSION=latest
# build makes the program
FROM busybox:${VERSION} AS build
# GOOS to build for
ARG GOOS=linux
RUN --mount=type=secret,id=token,required --mount=type=ssh true
FROM other AS unused
ARG NOT_HERE
FROM scratch AS final
COPY --from=build /x /x
"""


async def asked(check: str, **request: object) -> dict[str, str]:
    bridge = FakeBridge()
    wanted = FrontendRequest(dockerfile=TEXT, check=check, **request)  # type: ignore[arg-type]
    plan = await DockerfileFrontend().plan(wanted, bridge)
    assert bridge.asked == []
    assert plan.images == []
    return plan.report


async def test_an_outline_tells_what_a_target_takes() -> None:
    report = await asked("outline", target="build", arguments={"GOOS": "plan9"})
    assert report["result.txt"] == (
        "TARGET:       build\n"
        "DESCRIPTION:  makes the program\n"
        "\n"
        "BUILD ARG   VALUE    DESCRIPTION\n"
        "VERSION     latest   of the base\n"
        "GOOS        plan9    to build for\n"
        "\n"
        "SECRET   REQUIRED\n"
        "token    true\n"
        "\n"
        "SSH       REQUIRED\n"
        "default   \n"
    )
    document = json.loads(report["result.json"])
    assert document["secrets"] == [{"name": "token", "required": True}]


async def test_what_the_target_needs_is_in_its_outline() -> None:
    document = json.loads((await asked("outline"))["result.json"])
    assert document["name"] == "final"
    assert [argument["name"] for argument in document["args"]] == ["VERSION", "GOOS"]
