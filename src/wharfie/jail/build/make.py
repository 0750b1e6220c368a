"""Making directories and small files in a root: WORKDIR, heredocs."""

from __future__ import annotations

import os

from wharfie.formats.filemode import InvalidMode, parse_mode
from wharfie.jail import names
from wharfie.jail.build.directories import PARENT_MODE, make_directories
from wharfie.jail.errors import invalid, of_os_error, show
from wharfie.jail.protocol import MakeDirectories, WriteFile
from wharfie.jail.tree import O_PATH_DIRECTORY

_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = 1 << 20


def make_directory(task: MakeDirectories) -> None:
    """Make a directory; one that is there, or a link to one, is left alone."""
    path = names.clean(b"/" + os.fsencode(task.path))
    try:
        os.close(make_directories(_root(), path, task.mode, task.owner))
    except OSError as error:
        raise of_os_error(error, path) from error


def write_file(task: WriteFile, data: int) -> None:
    """Write a file, in the place of one that is there."""
    path = names.clean(b"/" + os.fsencode(task.path))
    above, _, name = path.rpartition(b"/")
    try:
        directory = make_directories(_root(), above or b"/", PARENT_MODE, task.owner)
        _write(task, data, directory, name)
    except OSError as error:
        raise of_os_error(error, path) from error


def _write(task: WriteFile, data: int, directory: int, name: bytes) -> None:
    try:
        mode = parse_mode(task.mode)(0o644, False)
    except InvalidMode as error:
        raise invalid(str(error)) from None
    try:
        os.unlink(name, dir_fd=directory)
    except FileNotFoundError:
        pass
    except IsADirectoryError:
        raise invalid(f"cannot overwrite directory {show(name)} with non-directory") from None
    fd = os.open(name, _CREATE, 0o600, dir_fd=directory)
    while piece := os.read(data, _READ):
        os.write(fd, piece)
    os.fchown(fd, *task.owner)
    os.fchmod(fd, mode)
    os.close(fd)


def _root() -> int:
    return os.open("/", O_PATH_DIRECTORY)
