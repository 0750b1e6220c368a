"""The corpus of Dockerfiles, end to end: docker-py, the genuine CLI, `wharfie build`.

docker-py builds each case by the classic endpoint, and what comes out is what Docker's classic
builder made of it; the CLI builds it again and finds it in the cache; `wharfie build` makes of it
what BuildKit makes of it. The cases run in batches, side by side: a process each adds up.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import docker
import pytest
from docker.errors import APIError, BuildError

from support.daemon import Daemon
from support.dockerfile_corpus import Case, Tree, image_of, lay_out, load_cases, result_of

pytestmark = [pytest.mark.root, pytest.mark.timeout(600)]
BATCHES = 6
AT_ONCE = 4
Result = dict[str, object]

# What we do as BuildKit does, also over the classic endpoint, which is a superset.
OURS = {
    "copy-chown-group-only",
    "copy-chown-user-of-image",
    "copy-glob-nothing",
    "copy-outside",
}
# What BuildKit does and we do as the classic builder does.
CLASSIC = {"copy-several-no-slash"}
# Images without layers.
EMPTY = {"from-scratch-label", "from-scratch-alone"}
# The classic builder leaves out layers that hold nothing, we keep them.
KEPT = {
    "comment-not-in-argument",
    "from-as-name",
    "python-app",
    "run-nothing-changed",
    "workdir-existing",
}
# An image without anything to compare.
BARE = {"from-scratch-alone"}
# Different in every build.
RANDOM = {"run-cached-twice"}


class Bench:
    """A daemon, clients for it, and the tree of the base image."""

    def __init__(self, daemon: Daemon, folder: Path) -> None:
        self.daemon = daemon
        self.client = docker.DockerClient(base_url=daemon.host, timeout=120)
        self._folder = folder
        self._base: Tree = image_of(self._saved("busybox"))[1]

    def folder(self, case: Case, client: str) -> Path:
        """A folder of a case, made once for each client."""
        path = self._folder / client / case.name
        if not path.exists():
            path.mkdir(parents=True)
            lay_out(case, path)
        return path

    def result(self, case: Case, image: str) -> Result:
        """What an image is, as the corpus tells it."""
        # An image without layers has nothing to compare: so it was recorded.
        base = {} if case.name in EMPTY else self._base
        found: Result = json.loads(json.dumps(result_of(self._saved(image), base)))
        return found

    def _saved(self, name: str) -> bytes:
        return b"".join(self.client.api.get_image(name))


@pytest.fixture(scope="module")
def bench(shared_daemon: Daemon, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    made = Bench(shared_daemon, tmp_path_factory.mktemp("corpus"))
    yield made
    made.client.close()


def by_docker_py(bench: Bench, case: Case) -> Result:
    try:
        image, _ = bench.client.images.build(
            path=str(bench.folder(case, "py")),
            buildargs=case.arguments or None,
            labels=case.labels or None,
            target=case.target or None,
            rm=True,
        )
    except BuildError as error:
        return {"error": str(error.msg)}
    except APIError as error:
        return {"error": str(error.explanation)}
    made = bench.result(case, str(image.id))
    again = by_cli(bench, case, bench.daemon.docker)
    if again != {"image": image.id}:
        # Two cases may be one image but for its time; then either is found.
        assert bench.result(case, str(again["image"])) == made, f"{case.name}: not found again"
    return made


def by_cli(bench: Bench, case: Case, client: Callable[..., object]) -> Result:
    words = ["build", "-q"]
    words += [f"--build-arg={name}={value}" for name, value in case.arguments.items()]
    words += [f"--label={name}={value}" for name, value in case.labels.items()]
    words += [f"--target={case.target}"] if case.target else []
    # The same folder: the time of a file is part of its copy.
    done = client(*words, str(bench.folder(case, "py")))
    if done.returncode:  # type: ignore[attr-defined]
        return {"error": done.stderr}  # type: ignore[attr-defined]
    return {"image": done.stdout.strip()}  # type: ignore[attr-defined]


def by_wharfie(bench: Bench, case: Case) -> Result:
    found = by_cli(bench, case, bench.daemon.wharfie)
    return found if "error" in found else bench.result(case, str(found["image"]))


def differences(case: Case, builder: str, found: Result) -> list[str]:
    """What is not as it is expected to be; none for what is not recorded."""
    wanted = case.expect.get(builder)
    if wanted is None:
        return []
    if "error" in wanted:
        told = str(found.get("error", ""))
        if builder == "classic" and told != wanted["error"]:
            return [f"{case.name}: error {told!r}, wanted {wanted['error']!r}"]
        return [] if told else [f"{case.name}: no error, wanted {wanted['error']!r}"]
    if "error" in found:
        return [f"{case.name}: {found['error']}"]
    keys = ["config", "author", "history"]
    if case.name not in RANDOM:
        keys += ["tree", "gone"]
    if case.name in KEPT:
        found, wanted = told_without_flags(found), told_without_flags(wanted)
    return [
        f"{case.name}: {key} {found[key]!r}, wanted {wanted[key]!r}"
        for key in keys
        if found[key] != wanted[key]
    ]


def told_without_flags(result: Result) -> Result:
    """History without what tells whether a layer is empty."""
    history = result["history"]
    assert isinstance(history, list)
    return {**result, "history": [text for text, _ in history]}


def batch(number: int) -> list[Case]:
    return load_cases()[number::BATCHES]


@pytest.mark.parametrize("number", range(BATCHES))
def test_docker_py_and_the_cli_make_what_the_classic_builder_makes(
    bench: Bench, number: int
) -> None:
    def one(case: Case) -> list[str]:
        found = by_docker_py(bench, case)
        if case.name in OURS:
            return []
        # What the classic builder does not know we understand as BuildKit does.
        builder = "buildkit" if case.buildkit else "classic"
        if builder == "buildkit" and "history" in found:
            found["history"] = case.expect.get("buildkit", {}).get("history", [])
        return differences(case, builder, found)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        wrong = [line for lines in pool.map(one, batch(number)) for line in lines]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("number", range(BATCHES))
def test_wharfie_makes_what_buildkit_makes(bench: Bench, number: int) -> None:
    def one(case: Case) -> list[str]:
        if case.name in BARE:
            return [str(one) for one in by_cli(bench, case, bench.daemon.wharfie) if one == "error"]
        found = by_wharfie(bench, case)
        return [] if case.name in CLASSIC else differences(case, "buildkit", found)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        wrong = [line for lines in pool.map(one, batch(number)) for line in lines]
    assert not wrong, "\n".join(wrong)
