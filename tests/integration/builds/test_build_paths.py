"""Paths in Dockerfiles that point out of the image: nothing of the host is made, read or changed.

Cases C7, D5 and D7: working directories and destinations through links, git options.
"""

import shutil
from pathlib import Path

import pytest

from support.daemon import Daemon

pytestmark = pytest.mark.root

CANARY = Path("/tmp/wharfie-build-canary")


@pytest.fixture
def canary() -> Path:
    shutil.rmtree(CANARY, ignore_errors=True)
    return CANARY


def build(daemon: Daemon, folder: Path, text: str) -> tuple[int, str]:
    (folder / "Dockerfile").write_text(text)
    (folder / "f").write_text("1\n")
    done = daemon.docker("build", str(folder))
    return done.returncode, done.stdout + done.stderr


LINKED = f"FROM busybox\nRUN ln -s {CANARY} /l && ln -s ../../../../../..{CANARY} /m\n"


@pytest.mark.parametrize(
    "lines",
    [
        "WORKDIR /l/x\n",
        "WORKDIR /m/x\n",
        "COPY f /l\n",
        "COPY f /m/\n",
        "COPY <<EOF /l/x\n1\nEOF\n",
        "ADD f /l/../x\n",
    ],
)
def test_links_lead_into_the_image_only(
    shared_daemon: Daemon, tmp_path: Path, canary: Path, lines: str
) -> None:
    build(shared_daemon, tmp_path, LINKED + lines)
    assert not canary.exists()


def test_links_inside_are_followed(shared_daemon: Daemon, tmp_path: Path) -> None:
    text = (
        "FROM busybox\nRUN mkdir /r && echo 0 > /r/t && ln -s /r /l && ln -s r/t /k\n"
        "WORKDIR /l/w\nCOPY f /k\nCOPY f /l/\nRUN cat /r/t /r/f && test -d /r/w && test -L /k\n"
    )
    code, said = build(shared_daemon, tmp_path, text)
    assert code == 0, said


def test_descriptors_of_the_runtime_are_no_working_directory(
    shared_daemon: Daemon, tmp_path: Path
) -> None:
    for number in range(3, 12):
        code, said = build(
            shared_daemon,
            tmp_path,
            f"FROM busybox\nWORKDIR /proc/self/fd/{number}\nRUN cat ../../../etc/debian_version\n",
        )
        assert code != 0, said


@pytest.mark.parametrize(
    "source",
    [
        "https://127.0.0.1:1/x.git#--upload-pack=touch${IFS}/tmp/wharfie-build-canary",
        "https://127.0.0.1:1/x.git#main:../../etc",
        "ext::sh -c touch% /tmp/wharfie-build-canary",
        "file:///etc",
        "git@-oProxyCommand=touch:x.git",
    ],
)
def test_git_options_and_foreign_transports_are_refused(
    shared_daemon: Daemon, tmp_path: Path, canary: Path, source: str
) -> None:
    code, said = build(shared_daemon, tmp_path, f'FROM busybox\nADD ["{source}", "/x/"]\n')
    assert code != 0, said
    assert not canary.exists()
