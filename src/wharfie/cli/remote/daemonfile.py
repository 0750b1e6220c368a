"""Changes to `daemon.json` made by a program: other keys stay, in their order and spelling.

The file before the first change is kept beside it as `daemon.json.orig`. A change is checked with
the daemon's own `--validate`, where that program is found, before it takes the file's place.
"""

from __future__ import annotations

import os
import subprocess

from wharfie.cli.config import read_file, write_whole
from wharfie.cli.errors import CommandError
from wharfie.client.dialing import error_words
from wharfie.formats.gojson import JsonError, dumps, loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_VALIDATE_SECONDS = 30


def read_settings(path: str) -> dict[str, object]:
    """Read a `daemon.json`; an absent or empty one has no settings.

    Raises:
        CommandError: it is unreadable or no JSON object.
    """
    try:
        data = read_file(path)
    except OSError as error:
        raise CommandError(f"open {path}: {error_words(error)}") from None
    text = (data or b"").removeprefix(b"\xef\xbb\xbf")
    if not text.strip():
        return {}
    try:
        settings = loads(text)
    except JsonError as error:
        raise CommandError(f"{path}: invalid JSON: {error}; mend it first") from None
    if not isinstance(settings, dict):
        raise CommandError(f"{path}: not a JSON object; mend it first")
    return settings


def write_settings(path: str, settings: Mapping[str, object], *, validator: str) -> None:
    """Put settings in the place of those of a `daemon.json`.

    Args:
        path: the file; its folder is made.
        settings: all of them.
        validator: the daemon's program, asked before; empty for nobody.

    Raises:
        CommandError: the daemon would not start with them, or they cannot be written. The file
            is as it was.
    """
    text = (dumps(settings, indent="    ") + "\n").encode("utf-8", "surrogatepass")
    proposed = f"{path}.new"
    try:
        os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
        write_whole(proposed, text, 0o644)
    except OSError as error:
        raise CommandError(f"open {path}: {error_words(error)}") from None
    try:
        if validator:
            _validate(validator, proposed, path)
        _keep_original(path)
        os.replace(proposed, path)
    except OSError as error:
        raise CommandError(f"open {path}: {error_words(error)}") from None
    finally:
        if os.path.exists(proposed):
            os.unlink(proposed)


def _validate(program: str, proposed: str, path: str) -> None:
    done = subprocess.run(
        [program, "--validate", "--config-file", proposed],
        capture_output=True,
        text=True,
        timeout=_VALIDATE_SECONDS,
        check=False,
    )
    if done.returncode:
        said = done.stderr.strip().replace(proposed, path)
        raise CommandError(f"the daemon would not start with this, nothing was changed:\n{said}")


def _keep_original(path: str) -> None:
    try:
        os.link(path, f"{path}.orig")
    except (FileNotFoundError, FileExistsError):
        pass  # there was none, or the first one is kept already


def find_daemon(prog: str) -> str:
    """Return the daemon's program that goes with ours; empty when there is none."""
    import shutil
    import sys

    name = "dockerd" if prog == "docker" else "wharfied"
    beside = os.path.join(os.path.dirname(os.path.realpath(sys.argv[0])), "wharfied")
    if os.access(beside, os.X_OK):
        return beside
    return shutil.which(name) or ""
