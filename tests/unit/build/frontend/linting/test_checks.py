"""One Dockerfile for every rule, and the same without the fault."""

import json

import pytest

from support.build_bridge import FakeBridge
from wharfie.build.frontend import DockerfileFrontend
from wharfie.build.frontend.linting.rules import Rule
from wharfie.model.build.errors import DockerfileError
from wharfie.model.build.plan import BuildPlan, FrontendRequest

ROOT = "https://docs.docker.com/go/dockerfile/rule/"


async def checked(text: str, **request: object) -> BuildPlan:
    wanted = FrontendRequest(dockerfile=text.encode(), **request)  # type: ignore[arg-type]
    return await DockerfileFrontend().plan(wanted, FakeBridge())


CASES = [
    ("FROM busybox AS Base", "StageNameCasing", "Stage name 'Base' should be lowercase", 1),
    ("FROM busybox as base", "FromAsCasing", "'as' and 'FROM' keywords' casing do not match", 1),
    ("FROM busybox\nRUN a \\\n\n b\n", "NoEmptyContinuation", "Empty continuation line", 4),
    ("FROM busybox\nRUN a\nrun b", "ConsistentInstructionCasing",
     "Command 'run' should match the case of the command majority (uppercase)", 3),
    ("FROM busybox\nRun a\n", "ConsistentInstructionCasing",
     "Command 'Run' should match the case of the command majority (uppercase)", 2),
    ("from busybox\nrun a\nRUN b", "ConsistentInstructionCasing",
     "Command 'RUN' should match the case of the command majority (lowercase)", 3),
    ("FROM busybox AS a\nFROM busybox AS a", "DuplicateStageName",
     'Duplicate stage name "a", stage names should be unique', 2),
    ("FROM busybox AS scratch", "ReservedStageName",
     'Stage name should not use the same name as reserved stage "scratch"', 1),
    ("FROM busybox\nCMD x", "JSONArgsRecommended",
     "JSON arguments recommended for CMD to prevent unintended behavior related to OS signals", 2),
    ("FROM busybox\nMAINTAINER x", "MaintainerDeprecated",
     "Maintainer instruction is deprecated in favor of using label", 2),
    ("ARG VERSIONS=x\nFROM busybox$VERSION", "UndefinedArgInFrom",
     "FROM argument 'VERSION' is not declared (did you mean VERSIONS?)", 2),
    ("FROM busybox\nWORKDIR a", "WorkdirRelativePath",
     'Relative workdir "a" can have unexpected results if the base image changes', 2),
    ("FROM busybox\nENV a=$PATHS", "UndefinedVar",
     "Usage of undefined variable '$PATHS' (did you mean $PATH?)", 2),
    ('FROM busybox\nCMD ["x"]\nCMD ["y"]', "MultipleInstructionsDisallowed",
     "Multiple CMD instructions should not be used in the same stage because only the last one "
     "will be used", 2),
    ("FROM busybox\nENV a b", "LegacyKeyValueFormat",
     '"ENV key=value" should be used instead of legacy "ENV key value" format', 2),
    ("FROM --platform=$TARGETPLATFORM busybox", "RedundantTargetPlatform",
     "Setting platform to predefined $TARGETPLATFORM in FROM is redundant as this is the default "
     "behavior", 1),
    ("FROM busybox\nARG NPM_TOKEN", "SecretsUsedInArgOrEnv",
     'Do not use ARG or ENV instructions for sensitive data (ARG "NPM_TOKEN")', 2),
    ("ARG TAG\nFROM busybox:$TAG", "InvalidDefaultArgInFrom",
     "Default value for ARG busybox:$TAG results in empty or invalid base image name", 2),
    ("FROM --platform=linux/amd64 busybox", "FromPlatformFlagConstDisallowed",
     'FROM --platform flag should not use constant value "linux/amd64"', 1),
    ("FROM busybox\nCOPY ./tmp/x /x", "CopyIgnoredFile",
     'Attempting to Copy file "./tmp/x" that is excluded by .dockerignore', 2),
    ("FROM busybox\nEXPOSE 80/TCP", "ExposeProtoCasing",
     "Defined protocol '80/TCP' in EXPOSE instruction should be lowercase", 2),
    ("FROM busybox\nEXPOSE 127.0.0.1:80:80", "ExposeInvalidFormat",
     "EXPOSE instruction should not define an IP address or host-port mapping, found "
     "'127.0.0.1:80:80'", 2),
]  # fmt: skip


@pytest.mark.parametrize(("text", "rule", "detail", "line"), CASES)
async def test_a_rule_finds_its_fault(text: str, rule: str, detail: str, line: int) -> None:
    plan = await checked(
        text,
        ignore_file=b"tmp\n",
        arguments={"VERSION": "", "TAG": "latest"},
    )
    (found,) = [warning for warning in plan.warnings if warning.rule == rule]
    assert found.detail == detail
    assert found.location is not None
    assert found.location.start == line
    assert plan.images, "findings alone do not stop a build"


GOOD = """# syntax=docker/dockerfile:1
ARG TAG=latest
FROM --platform=$BUILDPLATFORM busybox:${TAG} AS build
ARG PUBLIC_KEY=1
ENV A=1 B=$PATH
WORKDIR /srv
WORKDIR sub
COPY src ./
EXPOSE 80/tcp 90-91/udp
FROM --platform=linux/arm64 busybox AS run_arm64
SHELL ["/bin/sh", "-e", "-c"]
CMD exec x
FROM build
HEALTHCHECK CMD x
ENTRYPOINT ["x"]
"""


async def test_a_good_file_has_no_findings() -> None:
    assert (await checked(GOOD, ignore_file=b"tmp\n")).warnings == []


def test_every_rule_is_told_by_an_address_of_dockers() -> None:
    assert Rule.JSON_ARGS_RECOMMENDED.value.url == f"{ROOT}json-args-recommended/"
    assert Rule.SECRETS_USED_IN_ARG_OR_ENV.value.url == f"{ROOT}secrets-used-in-arg-or-env/"
    names = {rule.value.name for rule in Rule} - {"InvalidDefinitionDescription"}
    assert names == {case[1] for case in CASES}


@pytest.mark.parametrize("directive", ["skip=JSONArgsRecommended", "skip=all"])
async def test_rules_are_skipped(directive: str) -> None:
    text = f"# check={directive}\nFROM busybox\nCMD x\n"
    assert (await checked(text)).warnings == []


async def test_findings_fail_the_build_where_the_file_says_so() -> None:
    text = "# check=error=true\nFROM busybox\nCMD x\n"
    with pytest.raises(DockerfileError, match="lint violation found for rules: JSONArgsRec"):
        await checked(text)
    with pytest.raises(DockerfileError, match="lint violation found"):
        await checked(
            "FROM busybox\nCMD x\n", arguments={"BUILDKIT_DOCKERFILE_CHECK": "error=true"}
        )


async def test_a_description_is_looked_at_only_where_it_is_asked_for() -> None:
    text = "# wrong words\nFROM busybox AS base\n"
    assert (await checked(text)).warnings == []
    plan = await checked("# check=experimental=all\n" + text)
    assert [warning.rule for warning in plan.warnings] == ["InvalidDefinitionDescription"]


async def test_the_report_is_what_docker_build_check_prints() -> None:
    plan = await checked("FROM busybox\nRUN a\nRUN b\nCMD x\n", check="check")
    assert plan.report["result.txt"] == (
        f"\nWARNING: JSONArgsRecommended - {ROOT}json-args-recommended/\n"
        "JSON arguments recommended for CMD to prevent unintended behavior related to OS signals\n"
        "Dockerfile:4\n"
        "--------------------\n"
        "   2 |     RUN a\n"
        "   3 |     RUN b\n"
        "   4 | >>> CMD x\n"
        "   5 |     \n"
        "--------------------\n"
    )
    document = json.loads(plan.report["result.json"])
    assert document["warnings"][0]["location"] == {
        "ranges": [{"start": {"line": 4}, "end": {"line": 4}}]
    }
    assert plan.report["result.statuscode"] == "1"


async def test_a_broken_file_is_reported_with_its_place() -> None:
    plan = await checked("FROM busybox\nFOO x\n", check="check")
    error = json.loads(plan.report["result.json"])["buildError"]
    assert error["location"]["ranges"][0]["start"]["line"] == 2
    assert plan.report["result.statuscode"] == "1"
    assert plan.images == []
