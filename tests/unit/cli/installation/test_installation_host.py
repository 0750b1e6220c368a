"""Installing below a directory, and reverting exactly that."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from wharfie.cli.installation.host import InstallationError, Installer, Record
from wharfie.cli.installation.plan import Plan


class Machine:
    """A directory that stands for a machine."""

    def __init__(self, directory: Path) -> None:
        self.root = directory / "root"
        self.root.mkdir()
        self.programs = directory / "programs"
        self.programs.mkdir()
        for name in ("wharfie", "wharfied"):
            (self.programs / name).write_text("#!/bin/sh\n")
        self.said: list[str] = []
        self.installer = Installer(str(self.root), self._run, self.said.append)

    def _run(self, words: Sequence[str]) -> str:
        raise AssertionError(f"below a directory no program is run: {words}")

    def plan(self, *, docker_compat: bool = True) -> Plan:
        return Plan(programs=str(self.programs), docker_compat=docker_compat)

    def files(self) -> set[str]:
        return {
            os.path.join(folder, name).removeprefix(str(self.root))
            for folder, _, names in os.walk(self.root)
            for name in names
        }


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_dockers_names_and_units_are_there(machine: Machine) -> None:
    machine.installer.install(machine.plan(), start=True)
    assert machine.files() == {
        "/etc/wharfie/installation.json",
        "/lib/systemd/system/docker.service",
        "/lib/systemd/system/docker.socket",
        "/usr/bin/docker",
        "/usr/bin/dockerd",
        "/usr/bin/wharfie",
        "/usr/bin/wharfied",
    }
    assert os.readlink(machine.root / "usr/bin/dockerd") == str(machine.programs / "wharfied")
    assert (machine.root / "etc/docker").is_dir()


def test_without_compatibility_docker_is_left_alone(machine: Machine) -> None:
    machine.installer.install(machine.plan(docker_compat=False), start=True)
    assert not any("docker" in path for path in machine.files())
    unit = (machine.root / "lib/systemd/system/wharfie.service").read_text()
    assert "ExecStart=/usr/bin/wharfied -H fd://" in unit
    assert "Requires=wharfie.socket" in unit


def test_uninstall_leaves_nothing_but_what_others_made(machine: Machine) -> None:
    other = machine.root / "usr/bin/other"
    other.parent.mkdir(parents=True)
    other.write_text("x")
    machine.installer.install(machine.plan(), start=True)
    (machine.root / "etc/docker/daemon.json").write_text("{}")
    machine.installer.uninstall()
    assert machine.files() == {"/usr/bin/other", "/etc/docker/daemon.json"}
    with pytest.raises(InstallationError, match="nothing to uninstall"):
        machine.installer.uninstall()


def test_a_second_time_repairs(machine: Machine) -> None:
    machine.installer.install(machine.plan(), start=True)
    before = machine.files()
    (machine.root / "usr/bin/dockerd").unlink()
    (machine.root / "lib/systemd/system/docker.service").write_text("edited")
    machine.installer.install(machine.plan(), start=True)
    assert machine.files() == before
    assert "dockerd" in (machine.root / "lib/systemd/system/docker.service").read_text()
    machine.installer.uninstall()
    assert machine.files() == set()


@pytest.mark.parametrize("path", ["usr/bin/docker", "lib/systemd/system/docker.service"])
def test_another_engines_files_are_not_overwritten(machine: Machine, path: str) -> None:
    theirs = machine.root / path
    theirs.parent.mkdir(parents=True)
    theirs.write_text("theirs")
    with pytest.raises(InstallationError, match="remove that"):
        machine.installer.install(machine.plan(), start=True)
    assert theirs.read_text() == "theirs"
    assert machine.files() == {f"/{path}"}


def test_a_unit_edited_since_is_not_removed(machine: Machine) -> None:
    machine.installer.install(machine.plan(), start=True)
    unit = machine.root / "lib/systemd/system/docker.service"
    unit.write_text(unit.read_text() + "# mine\n")
    machine.installer.uninstall()
    assert machine.files() == {"/lib/systemd/system/docker.service"}
    assert "left /lib/systemd/system/docker.service alone: it was changed since" in machine.said


def test_missing_programs_are_told_before_anything_is_made(machine: Machine) -> None:
    (machine.programs / "wharfied").unlink()
    with pytest.raises(InstallationError, match=r"wharfied, which .* is not there"):
        machine.installer.install(machine.plan(), start=True)
    assert machine.files() == set()


def test_an_installation_cut_short_can_be_undone(machine: Machine) -> None:
    # A directory where a unit belongs stops the installation in its middle.
    (machine.root / "lib/systemd/system/docker.socket.new").mkdir(parents=True)
    with pytest.raises(OSError, match="directory"):
        machine.installer.install(machine.plan(), start=True)
    assert "/usr/bin/docker" in machine.files()
    machine.installer.uninstall()
    assert machine.files() == set()


def test_the_two_kinds_exclude_each_other(machine: Machine) -> None:
    machine.installer.install(machine.plan(docker_compat=False), start=True)
    with pytest.raises(InstallationError, match="already installed as wharfie"):
        machine.installer.install(machine.plan(), start=True)


def test_a_damaged_record_is_not_guessed_at(machine: Machine) -> None:
    path = machine.root / "etc/wharfie/installation.json"
    path.parent.mkdir(parents=True)
    path.write_text("{")
    with pytest.raises(InstallationError, match=r"installation\.json cannot be read"):
        Record(str(machine.root))
