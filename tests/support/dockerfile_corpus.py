"""The corpus of Dockerfiles: every rule of the language with what genuine Docker makes of it.

    tests/golden/dockerfiles/NAME/
    ├── Dockerfile
    ├── context/        files beside it; their execute bits count
    ├── case.json       how it is built: "arguments", "labels", "target", "directories" (empty);
    │                   "buildkit": the classic builder does not know what it uses;
    │                   "walks_apart": clients read its .dockerignore differently;
    │                   "labs": no released Docker knows it, the expectation is ours
    └── expect.json     {"classic": RESULT, "buildkit": RESULT}, by builder

    RESULT = {"error": text, "phase": "plan" | "solve"}
           | {"config": {…}, "author": text, "history": [[created_by, is_empty], …],
              "tree": {path: [kind, mode, "uid:gid", text or link], …}, "gone": [path, …]}

The base is the default image (`busybox:latest` of `engine/images/making`). A tree holds what
differs from it. What is different in every build (digests of copied files, references of
snapshots) reads `#`. `dockerfile_recorder.py` writes the expectations.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import shutil
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

CORPUS = Path(__file__).parents[1] / "golden" / "dockerfiles"
MAX_TEXT = 500
# Made by whoever runs the steps, not by them.
MADE_BY_RUNNER = re.compile(
    r"/(dev|proc|sys)(/.*)?|/etc/(hosts|hostname|resolv\.conf|mtab)|/\.dockerenv"
)
_VARYING = (
    (re.compile(r"(file|dir|multi):(?:[0-9a-f]{64}|\0content\0)"), "#"),
    (re.compile(r"of ref [^ ]+:"), "of ref #:"),
    (re.compile(r"/var/lib/docker/[^ ]*/merged"), "#"),
)

Entry = list[str]
Tree = dict[str, Entry]


@dataclass(frozen=True)
class Case:
    """One Dockerfile of the corpus."""

    name: str
    dockerfile: bytes
    expect: dict[str, dict[str, object]]
    arguments: dict[str, str] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    target: str = ""
    directories: tuple[str, ...] = ()
    buildkit: bool = False
    labs: bool = False
    walks_apart: bool = False

    @property
    def context(self) -> Path:
        """The files beside the Dockerfile; need not exist."""
        return CORPUS / self.name / "context"

    @property
    def ignore_file(self) -> bytes | None:
        """Bytes of the .dockerignore."""
        path = self.context / ".dockerignore"
        return path.read_bytes() if path.exists() else None


def load_case(name: str) -> Case:
    """One case by its name."""
    folder = CORPUS / name
    settings: dict[str, object] = {}
    for file, key in (("case.json", ""), ("expect.json", "expect")):
        path = folder / file
        if path.exists():
            value = json.loads(path.read_text())
            settings |= {key: value} if key else value
    settings.setdefault("expect", {})
    settings["directories"] = tuple(settings.get("directories", ()))  # type: ignore[arg-type]
    return Case(
        name=name,
        dockerfile=(folder / "Dockerfile").read_bytes(),
        **settings,  # type: ignore[arg-type]
    )


def load_cases() -> list[Case]:
    """All cases, by name."""
    return [load_case(path.parent.name) for path in sorted(CORPUS.glob("*/Dockerfile"))]


def lay_out(case: Case, directory: Path) -> None:
    """Put Dockerfile and context into an empty directory, with fixed modes."""
    if case.context.exists():
        shutil.copytree(case.context, directory, symlinks=True, dirs_exist_ok=True)
    for name in case.directories:
        (directory / name).mkdir(parents=True, exist_ok=True)
    (directory / "Dockerfile").write_bytes(case.dockerfile)
    for path in directory.rglob("*"):
        if not path.is_symlink():
            runs = path.is_dir() or path.stat().st_mode & 0o100
            path.chmod(0o755 if runs else 0o644)


def settled(text: str) -> str:
    """A text without what differs from build to build."""
    for pattern, mark in _VARYING:
        text = pattern.sub(mark, text)
    return text


def image_of(archive: bytes) -> tuple[dict[str, object], Tree]:
    """Config document and file tree of the only image in a `docker save` archive."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        (entry,) = json.loads(_read(tar, "manifest.json"))
        config = json.loads(_read(tar, entry["Config"]))
        tree: Tree = {}
        for layer in entry["Layers"]:
            _add_layer(tree, _read(tar, layer))
    return config, tree


def _read(tar: tarfile.TarFile, name: str) -> bytes:
    member = tar.getmember(name)
    while member.issym():  # `docker save` links equal layers to each other
        name = str(Path("/", Path(name).parent, member.linkname).resolve())[1:]
        member = tar.getmember(name)
    file = tar.extractfile(member)
    assert file is not None
    return file.read()


def _add_layer(tree: Tree, layer: bytes) -> None:
    with tarfile.open(fileobj=io.BytesIO(layer)) as tar:
        for member in tar:
            path = "/" + member.name.strip("/").removeprefix("./")
            folder, _, name = path.rpartition("/")
            if name == ".wh..wh..opq":
                _remove_below(tree, folder)
            elif name.startswith(".wh."):
                gone = f"{folder}/{name.removeprefix('.wh.')}"
                tree.pop(gone, None)
                _remove_below(tree, gone)
            elif path not in ("/", "/."):
                tree[path] = _entry(tar, member, tree)


def _remove_below(tree: Tree, folder: str) -> None:
    for path in [path for path in tree if path.startswith(f"{folder}/")]:
        del tree[path]


def _entry(tar: tarfile.TarFile, member: tarfile.TarInfo, tree: Tree) -> Entry:
    if member.islnk():
        return tree["/" + member.linkname.strip("/").removeprefix("./")]
    about = [f"{member.mode:04o}", f"{member.uid}:{member.gid}"]
    if member.isdir():
        return ["directory", *about, ""]
    if member.issym():
        return ["link", "", about[1], member.linkname]
    file = tar.extractfile(member)
    if file is None:
        return ["other", *about, ""]
    return ["file", *about, _shown(file.read())]


def _shown(data: bytes) -> str:
    try:
        text = data.decode()
    except UnicodeDecodeError:
        text = ""
    if len(data) > MAX_TEXT or (data and not text):
        return f"sha256:{hashlib.sha256(data).hexdigest()}"
    return text


def difference(tree: Tree, base: Tree) -> tuple[Tree, list[str]]:
    """What a tree has that its base has not, and what is gone.

    A tree without the base's programs does not stand on it.
    """
    if "/bin/busybox" not in tree:
        base = {}
    changed = {
        path: entry
        for path, entry in sorted(tree.items())
        if base.get(path) != entry and not MADE_BY_RUNNER.fullmatch(path)
    }
    gone = sorted(path for path in base if path not in tree and not MADE_BY_RUNNER.fullmatch(path))
    return changed, gone


def result_of(archive: bytes, base: Tree) -> dict[str, object]:
    """A RESULT (see above) of a built image."""
    document, tree = image_of(archive)
    changed, gone = difference(tree, base)
    history = document.get("history")
    assert isinstance(history, list)
    return {
        "config": told_config(document.get("config")),
        "author": document.get("author", ""),
        "history": [
            [settled(entry.get("created_by", "")), entry.get("empty_layer", False)]
            for entry in history
        ],
        "tree": changed,
        "gone": gone,
    }


# Members of classic configs that come from the container a step ran in.
_OF_CONTAINERS = frozenset({"Hostname", "Image"})


def told_config(config: object) -> dict[str, object]:
    """A config without its empty members."""
    assert isinstance(config, dict)
    return {key: value for key, value in config.items() if value and key not in _OF_CONTAINERS}


def all_results() -> Iterator[tuple[Case, str, dict[str, object]]]:
    """Every case with every builder that recorded a result for it."""
    for case in load_cases():
        for builder, result in case.expect.items():
            yield case, builder, result
