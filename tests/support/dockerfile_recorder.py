"""Records what genuine Docker makes of the corpus of Dockerfiles.

    PYTHONPATH=tests python -m support.dockerfile_recorder ENDPOINT CLASSIC_CLI BUILDKIT_CLI [NAME…]

ENDPOINT is a genuine engine's socket (`unix://…`) with an empty build cache; CLASSIC_CLI a docker
CLI without buildx; BUILDKIT_CLI one that speaks BuildKit by itself (Docker 20.10).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from support.dockerfile_corpus import (
    CORPUS,
    Case,
    Tree,
    image_of,
    lay_out,
    load_case,
    load_cases,
    result_of,
    settled,
    told_config,
)
from wharfie.engine.images.making.default_image import build_archive, find_busybox

# Told once steps are done, not while they are planned.
SOLVING = (
    "returned a non-zero code",
    "did not complete successfully",
    "COPY failed: file not found",
    "ADD failed: file not found",
    "COPY failed: forbidden path",
    "COPY failed: no source files",
    "failed to compute cache key",
    "cannot copy to non-directory",
    "unable to find user",
    "unable to convert uid/gid chown string",
    "secret none: not found",
    "network.host is not allowed",
)
IGNORED_LINES = ("DEPRECATED:", "            Install", "            https")


class Recorder:
    """Builds by both builders of one engine."""

    def __init__(self, endpoint: str, classic_cli: str, buildkit_cli: str) -> None:
        self._endpoint = endpoint
        self._clients = {"classic": classic_cli, "buildkit": buildkit_cli}
        archive = build_archive(find_busybox())
        self._docker("load", input_=archive)
        self._base: Tree = image_of(archive)[1]

    def record(self, case: Case) -> None:
        """Write the expectations of one case."""
        expect = {}
        for builder in ("buildkit",) if case.buildkit else ("classic", "buildkit"):
            expect[builder] = self._build(case, builder)
        (CORPUS / case.name / "expect.json").write_text(spelled(expect))

    def _docker(self, *arguments: str, input_: bytes = b"") -> bytes:
        command = [self._clients["classic"], "-H", self._endpoint, *arguments]
        return subprocess.run(command, input=input_, check=True, capture_output=True).stdout

    def _build(self, case: Case, builder: str) -> dict[str, object]:
        flags = [f"--build-arg={name}={value}" for name, value in case.arguments.items()]
        flags += [f"--label={name}={value}" for name, value in case.labels.items()]
        flags += [f"--target={case.target}"] if case.target else []
        with tempfile.TemporaryDirectory() as name:
            directory = Path(name, "context")
            directory.mkdir()
            lay_out(case, directory)
            iid = Path(name, "iid")
            client = self._clients[builder]
            done = subprocess.run(
                [client, "-H", self._endpoint, "build", f"--iidfile={iid}", *flags, directory],
                env={**os.environ, "DOCKER_BUILDKIT": "01"[builder == "buildkit"], "HOME": name},
                capture_output=True,
                check=False,
            )
            if done.returncode:
                return _failure(done.stderr.decode())
            tag = f"corpus-{builder}-{case.name}"
            self._docker("tag", iid.read_text(), tag)
            # The tags stay: another case may be building the very same image now.
            try:
                archive = self._docker("save", tag)
            except subprocess.CalledProcessError:  # an image without layers cannot be saved
                return self._layerless(tag)
            return result_of(archive, self._base)

    def _layerless(self, tag: str) -> dict[str, object]:
        (image,) = json.loads(self._docker("inspect", tag))
        texts = self._docker("history", "--no-trunc", "--format={{json .CreatedBy}}", tag)
        history = [[settled(json.loads(line)), True] for line in texts.splitlines()[::-1]]
        return {
            "config": told_config(image["Config"]),
            "author": image["Author"],
            "history": history,
            "tree": {},
            "gone": [],
        }


def spelled(expect: dict[str, dict[str, object]]) -> str:
    """The expectations, one member a line."""
    builders = []
    for builder, result in sorted(expect.items()):
        members = [
            f"  {json.dumps(key)}: {json.dumps(value, ensure_ascii=False, sort_keys=True)}"
            for key, value in result.items()
        ]
        builders.append(f" {json.dumps(builder)}: {{\n" + ",\n".join(members) + "\n }")
    return "{\n" + ",\n".join(builders) + "\n}\n"


def _failure(stderr: str) -> dict[str, object]:
    lines = [line for line in stderr.splitlines() if line.strip()]
    lines = [line for line in lines if not line.startswith(IGNORED_LINES)]
    text = settled(lines[-1].removeprefix("Error response from daemon: "))
    phase = "solve" if any(words in text for words in SOLVING) else "plan"
    return {"error": text, "phase": phase}


def main() -> None:
    """Record the cases named, or all that are not ours alone."""
    endpoint, classic_cli, buildkit_cli, *names = sys.argv[1:]
    recorder = Recorder(endpoint, classic_cli, buildkit_cli)
    cases = [load_case(name) for name in names] if names else load_cases()
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(recorder.record, [case for case in cases if not case.labs]))


if __name__ == "__main__":
    main()
