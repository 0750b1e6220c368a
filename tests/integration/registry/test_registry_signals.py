"""`wharfie-registry serve` as a program: SIGHUP, SIGTERM, and what it says of its configuration."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

PROGRAM = [sys.executable, "-m", "wharfie.registry.main", "serve"]
ENVIRONMENT = {key: value for key, value in os.environ.items() if not key.startswith("REGISTRY_")}


def start(folder: Path, text: str, **environment: str) -> subprocess.Popen[str]:
    (folder / "config.yml").write_text(text)
    return subprocess.Popen(
        [*PROGRAM, f"{folder}/config.yml", "--addr", "127.0.0.1:0", "--root", f"{folder}/r"],
        stderr=subprocess.PIPE, text=True, env={**ENVIRONMENT, **environment},
    )  # fmt: skip


def wait_for(process: subprocess.Popen[str], words: str) -> str:
    """Read its log up to a line with these words."""
    assert process.stderr is not None
    told = ""
    for line in process.stderr:
        told += line
        if words in line:
            return told
    raise AssertionError(f"it ended without saying {words!r}: {told}")


def test_a_hang_up_reads_again_and_never_ends_it(tmp_path: Path) -> None:
    accounts = tmp_path / "htpasswd"
    accounts.write_text("")
    text = f"auth:\n  htpasswd: {{path: {accounts}}}\nhttp:\n  secret: x\n"
    with start(tmp_path, text, REGISTRY_PORT="tcp://1.2.3.4") as process:
        told = wait_for(process, "listening on")
        assert "line 4: http.secret has no effect" in told
        assert "REGISTRY_PORT has no effect" in told
        process.send_signal(signal.SIGHUP)
        wait_for(process, "are read again")
        accounts.write_text("joe:plain\n")
        process.send_signal(signal.SIGHUP)
        told = wait_for(process, "the old set-up goes on")
        assert "line 1" in told
        assert "plain" not in told
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0


def test_what_is_wrong_is_said_before_anything_is_served(tmp_path: Path) -> None:
    for text, words in (
        ("http:\n  adr: x\n", "config.yml, line 2: http.adr: no such setting (did you mean addr?)"),
        ("auth:\n  htpasswd: {path: /none}\n", "cannot read the accounts in /none"),
        ("http:\n  tls: {certificate: /none, key: /none}\n", "could not load X509 key pair"),
    ):
        with start(tmp_path, text) as process:
            assert process.stderr is not None
            assert words in process.stderr.read()
            assert process.wait(20) == 1
