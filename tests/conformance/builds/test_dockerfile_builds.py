"""The corpus of Dockerfiles, built: images and errors as genuine Docker's, client by client.

What the classic builder knows is compared with it, word for word; what only BuildKit knows with
BuildKit, but for the words of history. Building again makes the same image, of the cache alone.
"""

import contextlib
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from support.daemon import Daemon
from support.dockerfile_corpus import (
    Case,
    Tree,
    image_of,
    lay_out,
    load_cases,
    result_of,
    settled,
)
from wharfie.engine.images.making.default_image import build_archive, find_busybox

pytestmark = pytest.mark.root

CASES = load_cases()
# In the classic form BuildKit's own habits are left away.
_BUILDKIT_ONLY = ("ArgsEscaped",)
_ON_PURPOSE = {
    "copy-several-no-slash": "BuildKit writes both files to one name; here it is a directory",
    "empty": "found by the daemon before the frontend is asked, in the classic builder's words",
    "from-scratch-alone": "an image without layers cannot be saved, by Docker neither",
}


@pytest.fixture(scope="module")
def builder() -> Iterator[Daemon]:
    with Daemon() as own:
        own.start()
        own.load_busybox()
        yield own


@pytest.fixture(scope="module")
def base() -> Tree:
    return image_of(build_archive(find_busybox()))[1]


def flags_of(case: Case) -> list[str]:
    flags = [f"--build-arg={name}={value}" for name, value in case.arguments.items()]
    flags += [f"--label={name}={value}" for name, value in case.labels.items()]
    return flags + ([f"--target={case.target}"] if case.target else [])


def build(
    daemon: Daemon, client: str, case: Case, directory: Path, tag: str
) -> subprocess.CompletedProcess[str]:
    run = daemon.docker if client == "docker" else daemon.wharfie
    return run("build", "-t", tag, *flags_of(case), str(directory))


def image_id(daemon: Daemon, tag: str) -> str:
    image = daemon.json("GET", f"/images/{tag}/json")
    assert isinstance(image, dict)
    return str(image["Id"])


def saved(daemon: Daemon, tag: str) -> bytes:
    status, archive = daemon.request("GET", f"/images/{tag}/get")
    assert status == 200, archive
    return archive


def expected(case: Case) -> dict[str, object]:
    """What the classic builder makes, or BuildKit where that one does not know the file."""
    if "classic" in case.expect:
        return case.expect["classic"]
    return case.expect["buildkit"]


def told_error(stderr: str) -> str:
    lines = [line for line in stderr.splitlines() if line.strip()]
    return settled(lines[-1].removeprefix("Error response from daemon: ")) if lines else ""


def comparable(
    case: Case, wanted: dict[str, object], result: dict[str, object]
) -> tuple[dict[str, object], dict[str, object]]:
    """Both without what differs on purpose."""
    if "classic" in case.expect:
        return without_empty_layers(wanted, wanted), without_empty_layers(result, wanted)
    config = dict(wanted["config"])  # type: ignore[call-overload]
    for name in _BUILDKIT_ONLY:
        config.pop(name, None)
    return {**wanted, "config": config}, {**result, "history": wanted["history"]}


def without_empty_layers(result: dict[str, object], wanted: dict[str, object]) -> dict[str, object]:
    """Ours keeps the layers of steps that changed nothing, as BuildKit does."""
    history, genuine = result["history"], wanted["history"]
    assert isinstance(history, list)
    assert isinstance(genuine, list)
    settled_history = [
        [text, is_empty or (at < len(genuine) and genuine[at][1])]
        for at, (text, is_empty) in enumerate(history)
    ]
    return {**result, "history": settled_history}


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_docker_build(builder: Daemon, base: Tree, tmp_path: Path, case: Case) -> None:
    lay_out(case, tmp_path)
    tag = f"corpus/{case.name}"
    done = build(builder, "docker", case, tmp_path, tag)
    wanted = expected(case)
    if "error" in wanted:
        if "error" not in case.expect["buildkit"] and done.returncode == 0:
            return  # BuildKit takes it, and so do we
        assert done.returncode != 0, done.stdout
        if "classic" in case.expect:
            # Releases of the client differ in whether they begin with "error".
            told = told_error(done.stderr).removeprefix("error ")
            assert told == str(wanted["error"]).removeprefix("error ")
        return
    assert done.returncode == 0, done.stderr
    wanted, result = comparable(case, wanted, result_of(saved(builder, tag), base))
    assert json.dumps(result, sort_keys=True, indent=1) == json.dumps(
        wanted, sort_keys=True, indent=1
    )
    built = image_id(builder, tag)
    again = build(builder, "docker", case, tmp_path, tag)
    assert again.returncode == 0
    assert "Running in" not in again.stdout
    assert image_id(builder, tag) == built
    if case.walks_apart:
        return
    client = docker.DockerClient(base_url=f"unix://{builder.socket}", version="1.51")
    with contextlib.closing(client):
        image, _ = client.images.build(
            path=str(tmp_path),
            buildargs=case.arguments,
            labels=case.labels,
            target=case.target or None,
        )
    assert image.id == built


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_wharfie_build(builder: Daemon, base: Tree, tmp_path: Path, case: Case) -> None:
    """Our own client asks for BuildKit's words."""
    lay_out(case, tmp_path)
    tag = f"corpus/{case.name}:wharfie"
    done = build(builder, "wharfie", case, tmp_path, tag)
    wanted = case.expect["buildkit"]
    if "error" in wanted:
        assert done.returncode != 0, done.stdout
        if wanted["phase"] == "plan" and case.name not in _ON_PURPOSE:
            assert str(wanted["error"]) in done.stderr
        return
    assert done.returncode == 0, done.stderr
    if case.walks_apart or case.name in _ON_PURPOSE:
        return
    result = result_of(saved(builder, tag), base)
    assert json.dumps(result, sort_keys=True, indent=1) == json.dumps(
        wanted, sort_keys=True, indent=1
    )
