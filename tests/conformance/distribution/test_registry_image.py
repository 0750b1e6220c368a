"""The registry as a container image: built, loaded, run, pushed to."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from support.daemon import Daemon
from support.netns import poll

ROOT = Path(__file__).parents[3]
PROBE = "import urllib.request; print(urllib.request.urlopen('http://127.0.0.1:5000/v2/').status)"


@pytest.mark.root
@pytest.mark.slow
def test_the_image_serves(daemon: Daemon, tmp_path: Path) -> None:
    archive = tmp_path / "registry.tar"
    done = subprocess.run(
        [ROOT / "script/package", "registry", archive], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr

    def docker(*words: str) -> str:
        ran = daemon.docker(*words)
        assert ran.returncode == 0, f"{words}: {ran.stdout}{ran.stderr}"
        return ran.stdout

    loaded = docker("load", "-i", str(archive))
    image = loaded.strip().rpartition(" ")[2]
    assert image.startswith("wharfie-registry:")
    container = docker("run", "-d", "-p", "127.0.0.1:5000:5000", image).strip()
    for _ in poll("the registry to answer", 30):
        state = docker("inspect", "-f", "{{.State.Running}}", container).strip()
        assert state == "true", docker("logs", container)
        if daemon.namespaces.run("python3", "-c", PROBE).stdout.strip() == "200":
            break
    daemon.load_busybox()
    docker("tag", "busybox", "127.0.0.1:5000/app:1")
    docker("push", "127.0.0.1:5000/app:1")
    docker("rmi", "127.0.0.1:5000/app:1")
    docker("pull", "127.0.0.1:5000/app:1")
    words = ("exec", container, "/usr/bin/wharfie-registry", "gc", "--root", "/var/lib/registry")
    assert "1 repositories" in docker(*words)
    docker("stop", container)
    assert docker("inspect", "-f", "{{.State.ExitCode}}", container).strip() == "0"


def test_the_same_inputs_give_the_same_image(tmp_path: Path) -> None:
    made = []
    for name in ("a.tar", "b.tar"):
        subprocess.run(
            [ROOT / "script/package", "registry", tmp_path / name], check=True, capture_output=True
        )
        made.append((tmp_path / name).read_bytes())
    assert made[0] == made[1]
