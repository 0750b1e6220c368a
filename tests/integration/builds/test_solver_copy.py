"""COPY and ADD on a real kernel: what goes where, as what; and nothing anywhere else."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.solving import Order, PlannedVertex, SolvingDaemon, copy, local, run
from wharfie.model.build.graph import FileOp, MakeDirectory, MakeFile

pytestmark = pytest.mark.root


@pytest.fixture(scope="module")
def solver() -> Iterator[SolvingDaemon]:
    with SolvingDaemon() as own:
        own.start()
        own.load_busybox()
        yield own


@pytest.fixture
def context(tmp_path: Path) -> Path:
    directory = tmp_path / "context"
    for name in ("a.txt", "b.txt", "dir/one", "dir/deep/two", "dir/deep/three.txt", "[odd"):
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(name)
    (directory / "dir/deep").chmod(0o700)
    (directory / "a.txt").chmod(0o640)
    (directory / "link").symlink_to("a.txt")
    (directory / "dirlink").symlink_to("dir")
    return directory


def solve(
    solver: SolvingDaemon, context: Path, *steps: PlannedVertex, before: str = "true"
) -> tuple[str, str]:
    """What steps on a context print, and the error."""
    order = Order(
        vertices=[solver.base(), local(), run(before)], contexts={"context": str(context)}
    )
    for step in steps:
        step.inputs = (
            [len(order.vertices) - 1, 1] if len(step.inputs) > 1 else [len(order.vertices) - 1]
        )
        order.vertices.append(step)
    outcome, told = solver.solve(order)
    return told.output.decode(), outcome.error


LIST = run("cd /c && find . | sort | xargs stat -c '%n %a %u:%g %s' | sed 's,^[.]/,,'")
NAMES = run("cd /c && find . -mindepth 1 | sort | sed 's,^[.]/,,'")


def names(solver: SolvingDaemon, context: Path, *steps: PlannedVertex, before: str = "true") -> str:
    text, error = solve(solver, context, *steps, NAMES, before=before)
    assert not error
    return " ".join(text.split())


@pytest.mark.parametrize(
    ("sources", "destination", "expected"),
    [
        ("a.txt", "/c/", "a.txt"),
        ("a.txt", "/c/new", "new"),
        ("/a.txt", "/c/", "a.txt"),
        ("../../a.txt", "/c/", "a.txt"),
        ("dir", "/c", "deep deep/three.txt deep/two one"),
        ("dir/", "/c/", "deep deep/three.txt deep/two one"),
        ("dir/.", "/c/x", "x x/deep x/deep/three.txt x/deep/two x/one"),
        (["a.txt", "dir"], "/c/", "a.txt deep deep/three.txt deep/two one"),
        ("*.txt", "/c/", "a.txt b.txt"),
        ("?.txt", "/c/", "a.txt b.txt"),
        ("[ab].txt", "/c/", "a.txt b.txt"),
        ("*/deep", "/c/", "three.txt two"),
        ("dir/*", "/c/", "one three.txt two"),
        ("**/*.txt", "/c/", "a.txt b.txt three.txt"),
        ("\\[odd", "/c/", "[odd"),
        ("link", "/c/", "link"),
        ("dirlink", "/c/", "deep deep/three.txt deep/two one"),
    ],
)
def test_sources_go_where_docker_puts_them(
    solver: SolvingDaemon, context: Path, sources: str | list[str], destination: str, expected: str
) -> None:
    assert names(solver, context, copy(sources, destination)) == expected


def test_owners_modes_times_and_links_are_kept(solver: SolvingDaemon, context: Path) -> None:
    os.utime(context / "a.txt", (1000, 1000))
    os.chown(context / "a.txt", 55, 66)
    steps = [copy(".", "/c/"), run("cd /c; stat -c '%n %a %u:%g %Y' a.txt dir/deep; readlink link")]
    text, error = solve(solver, context, *steps)
    assert not error
    assert text.startswith("a.txt 640 0:0 1000\ndir/deep 700 0:0 ")
    assert text.endswith("\na.txt\n")


@pytest.mark.parametrize(
    ("owner", "expected"),
    [("7", "7:7"), ("7:8", "7:8"), ("app", "70:71"), ("app:other", "70:90"), (":other", "0:90")],
)
def test_owners_are_looked_up_in_the_image(
    solver: SolvingDaemon, context: Path, owner: str, expected: str
) -> None:
    before = "echo app:x:70:71::/:/bin/sh >> /etc/passwd; echo other:x:90: >> /etc/group"
    text, error = solve(solver, context, copy("dir", "/c/new/", owner=owner), LIST, before=before)
    assert not error
    assert {line.split()[2] for line in text.splitlines()} == {expected}


def test_an_owner_nobody_knows_is_refused(solver: SolvingDaemon, context: Path) -> None:
    _, error = solve(solver, context, copy("dir", "/c/", owner="nosuch"))
    assert error == "unable to find user nosuch: no matching entries in passwd file"


@pytest.mark.parametrize(
    ("mode", "expected"),
    [("0751", ["751", "751"]), ("u+s,go=", ["4600", "4700"]), ("a=rX", ["444", "555"])],
)
def test_modes_are_changed(
    solver: SolvingDaemon, context: Path, mode: str, expected: list[str]
) -> None:
    steps = [copy("dir", "/c/", mode=mode), run("cd /c; stat -c %a one deep")]
    text, error = solve(solver, context, *steps)
    assert not error
    assert text.split() == expected


@pytest.mark.parametrize(
    ("sources", "exclude", "expected"),
    [
        ("dir", ["**/*.txt"], "deep deep/two one"),
        ("dir", ["deep"], "one"),
        ("dir", ["deep", "!deep/two"], "deep deep/two one"),
        ("*.txt", ["a*"], "b.txt"),
    ],
)
def test_what_is_excluded_stays_behind(
    solver: SolvingDaemon, context: Path, sources: str, exclude: list[str], expected: str
) -> None:
    assert names(solver, context, copy(sources, "/c/", exclude=exclude)) == expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("dir/deep/two", "dir dir/deep dir/deep/two"),
        ("dir/deep/*", "dir dir/deep dir/deep/three.txt dir/deep/two"),
        ("dir/./deep/two", "deep deep/two"),
        ("./dir/deep/two", "dir dir/deep dir/deep/two"),
        ("dir/deep", "dir dir/deep dir/deep/three.txt dir/deep/two"),
    ],
)
def test_parents_come_along(
    solver: SolvingDaemon, context: Path, source: str, expected: str
) -> None:
    assert names(solver, context, copy(source, "/c/", parents=True)) == expected


@pytest.mark.parametrize(
    ("before", "sources", "destination", "expected"),
    [
        (
            "mkdir -p /c/deep; touch /c/deep/old",
            "dir",
            "/c",
            "deep deep/old deep/three.txt deep/two one",
        ),
        ("mkdir -p /c/f", "a.txt", "/c/f", "f f/a.txt"),
        ("mkdir -p /c; touch /c/f", "a.txt", "/c/f", "f"),
        ("mkdir -p /c/real; ln -s real /c/l", "a.txt", "/c/l/", "l real real/a.txt"),
        (
            "mkdir -p /c/real; ln -s /c/real /c/deep",
            "dir",
            "/c",
            "deep one real real/three.txt real/two",
        ),
        ("mkdir -p /c; ln -s /nowhere /c/f", "a.txt", "/c/f", "f"),
    ],
)
def test_what_is_there_already_is_merged_or_replaced(
    solver: SolvingDaemon, context: Path, before: str, sources: str, destination: str, expected: str
) -> None:
    assert names(solver, context, copy(sources, destination), before=before) == expected


def test_a_directory_that_is_there_keeps_its_mode_and_owner(
    solver: SolvingDaemon, context: Path
) -> None:
    before = "mkdir -p /c/deep; chmod 711 /c/deep; chown 5:6 /c/deep"
    steps = [copy("dir", "/c"), run("stat -c '%a %u:%g' /c/deep; ls /c/deep")]
    text, error = solve(solver, context, *steps, before=before)
    assert not error
    assert text.split() == ["711", "5:6", "three.txt", "two"]


@pytest.mark.parametrize(
    ("before", "sources", "destination", "error"),
    [
        ("mkdir -p /c/one", "dir", "/c", "cannot overwrite directory one with non-directory"),
        ("mkdir -p /c; touch /c/deep", "dir", "/c", "cannot copy to non-directory: deep"),
        ("touch /c", "dir", "/c/x", "cannot copy to non-directory: /c/x"),
    ],
)
def test_what_is_in_the_way_is_told(
    solver: SolvingDaemon, context: Path, before: str, sources: str, destination: str, error: str
) -> None:
    _, message = solve(solver, context, copy(sources, destination), before=before)
    assert error in message


def archive(compression: str = "") -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode=f"w:{compression}") as tar:  # type: ignore[call-overload]
        for name in ("in/f", "g"):
            member = tarfile.TarInfo(name)
            member.size, member.uid, member.mode = 3, 12, 0o604
            tar.addfile(member, io.BytesIO(b"abc"))
    return data.getvalue()


@pytest.mark.parametrize("compression", ["", "gz", "bz2", "xz"])
def test_archives_are_unpacked_by_add_alone(
    solver: SolvingDaemon, context: Path, compression: str
) -> None:
    (context / "x.tar").write_bytes(archive(compression))
    assert names(solver, context, copy("x.tar", "/c/", unpack=True)) == "g in in/f"
    assert names(solver, context, copy("x.tar", "/c/")) == "x.tar"
    assert names(solver, context, copy(["x.tar", "a.txt"], "/c/", unpack=True)) == "a.txt g in in/f"


def test_what_only_looks_like_an_archive_is_copied(solver: SolvingDaemon, context: Path) -> None:
    (context / "x.tar").write_bytes(b"\x1f\x8b" + bytes(600))
    (context / "y.tar").write_bytes(b"")
    assert names(solver, context, copy(["x.tar", "y.tar"], "/c/", unpack=True)) == "x.tar y.tar"


def test_hard_links_holes_and_attributes_of_a_stage_are_kept(
    solver: SolvingDaemon, context: Path
) -> None:
    make = (
        "mkdir /m; cd /m; echo x > f; ln f l; mkfifo p; truncate -s 64M hole; echo end >> hole;"
        "chown 5:6 f; chmod 4755 f; touch -d @77 f"
    )
    order = Order(
        vertices=[
            solver.base(),
            run(make),
            copy("m", "/c/", [0, 1]),
            run("cd /c; stat -c '%n %h %a %u:%g %Y %F' f l p; du -k hole | cut -f1", [2]),
        ]
    )
    outcome, told = solver.solve(order)
    assert not outcome.error
    lines = told.output.decode().splitlines()
    assert lines[0] == "f 2 4755 5:6 77 regular file"
    assert lines[1].startswith("l 2 ")
    assert lines[2].endswith("fifo")
    assert int(lines[3]) < 1000


def test_small_files_and_directories_are_made(solver: SolvingDaemon, context: Path) -> None:
    step = PlannedVertex(
        operation=FileOp(
            actions=[
                MakeDirectory(path="/c/w/x", mode=0o711, owner="3:4"),
                MakeFile(path="/c/w/x/f", data=b"text" * 60_000, mode="0604", owner="5"),
                MakeFile(path="/c/new/g", data=b""),
            ]
        ),
        inputs=[0],
    )
    text, error = solve(solver, context, step, LIST)
    assert not error
    told = [line.split(" ", 1) for line in text.splitlines()]
    assert told[-2:] == [["w/x", told[-2][1]], ["w/x/f", "604 5:5 240000"]]
    assert told[-2][1].startswith("711 3:4")
    assert "new/g 644 0:0 0" in text


@pytest.mark.parametrize("pattern", ["[", "a[", "x\\"])
def test_a_malformed_pattern_is_the_caller_s_fault(
    solver: SolvingDaemon, context: Path, pattern: str
) -> None:
    _, error = solve(solver, context, copy(pattern, "/c/"))
    assert "syntax error in pattern" in error


def test_the_same_files_of_another_run_of_a_stage_copy_nothing_again(
    solver: SolvingDaemon, context: Path
) -> None:
    def order(stage: str) -> Order:
        return Order(
            vertices=[
                solver.base(),
                run(f"# {stage}\nmkdir /m; echo same > /m/f; echo {stage} > /other"),
                copy("m", "/c/", [0, 1]),
                run("cat /c/f", [2]),
            ]
        )

    assert solver.solve(order("one"))[1].output == b"same\n"
    outcome, told = solver.solve(order("two"))
    assert not outcome.error
    assert [name.split()[0] for name in told.ran()] == ["RUN"]
    assert outcome.solved[0].cached


def test_a_linked_copy_is_put_on_another_base_without_being_made_again(
    solver: SolvingDaemon, context: Path
) -> None:
    def order(base: str) -> Order:
        return Order(
            vertices=[
                solver.base(),
                local(),
                run(f"echo {base} > /base; mkdir -p /real; ln -s /real /c"),
                run("echo stage ran; mkdir /m; echo linked > /m/f"),
                copy("m/f", "/c/", [2, 3], linked=True),
                run("cat /base /c/f; ls -d /real/f || true", [4]),
            ],
            contexts={"context": str(context)},
        )

    outcome, told = solver.solve(order("one"))
    assert not outcome.error
    # It does not look at what is below: the link there is replaced, not followed.
    assert told.output.startswith(b"stage ran\none\nlinked\nls: /real/f: No such file")
    first = outcome.solved[0].layers
    outcome, told = solver.solve(order("two"))
    assert told.output.startswith(b"two\nlinked\n")
    second = outcome.solved[0].layers
    assert [layer.diff_id for layer in first[2:3]] == [layer.diff_id for layer in second[2:3]]
    assert first[2].chain_id != second[2].chain_id
    assert solver.solve(order("two"))[1].output == b""
    # An owner that is a name depends on the base.
    named = order("three")
    named.vertices[4] = copy("m/f", "/c/", [2, 3], linked=True, owner="app")
    named.vertices[2] = run("echo app:x:9:9::/:/bin/sh >> /etc/passwd; touch /base")
    named.vertices[5] = run("stat -c %u /c/f", [4])
    assert solver.solve(named)[1].output == b"9\n"
