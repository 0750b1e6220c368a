"""schemathesis against a live daemon: what a schema can generate, right and wrong on purpose."""

import http.server
import os
import subprocess
import threading
import time
from pathlib import Path

import pytest

from support.daemon import BIN, Daemon

pytestmark = [pytest.mark.root, pytest.mark.slow, pytest.mark.timeout(3600)]

SCHEMA = Path(__file__).parents[2] / "golden/engine-api-trimmed.yaml"
TESTS = Path(__file__).parents[2]
# More of it, by hand: WHARFIE_FUZZ_EXAMPLES=500 .venv/bin/pytest tests/integration/attacks/...
EXAMPLES = int(os.environ.get("WHARFIE_FUZZ_EXAMPLES", "4"))


ENVIRONMENT = {
    "SCHEMATHESIS_HOOKS": "support.schema_checks",
    "PYTHONPATH": str(TESTS),
    "HOME": "/nowhere",
}


def command(directory: Path, url: str, examples: int, *more: str) -> list[str]:
    """A run of schemathesis that is the same every time; it writes into its directory."""
    return [
        *("env", "-C", str(directory)),
        *(str(BIN / "st"), "run", str(SCHEMA), "--url", url),
        *("--phases", "examples,coverage,fuzzing", "--checks", "caused"),
        *("--max-examples", str(examples), "--seed", "1", "--no-shrink"),
        # One worker: two at once spoil CPython 3.11's `ast`, which hypothesis asks for names.
        *("--workers", "1", "--request-timeout", "20", "--continue-on-failure"),
        *("--warnings", "off", "--suppress-health-check", "all", "--no-color", *more),
    ]


def test_no_generated_request_finds_a_bug() -> None:
    """No 5xx without a cause, no traceback, no hang."""
    with Daemon("-H", "tcp://127.0.0.1:2375") as daemon:
        daemon.start()
        daemon.load_busybox()
        for name in ("fuzz1", "fuzz2"):
            done = daemon.docker("run", "-d", "-t", "--name", name, "busybox", "sleep", "600")
            assert done.returncode == 0, done.stderr
        done = daemon.namespaces.run(
            *command(daemon.directory, "http://127.0.0.1:2375", EXAMPLES),
            timeout=100 + 8 * EXAMPLES,
            environment=ENVIRONMENT,
        )
        began = time.monotonic()
        assert daemon.request("GET", "/_ping") == (200, b"OK")
        assert time.monotonic() - began < 5
        assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
        log = daemon.log()
        assert "Traceback" not in log
        assert "bug in" not in log


class Broken(http.server.BaseHTTPRequestHandler):
    """Answers everything with a status from 500 on and no cause."""

    def do_GET(self) -> None:
        self.send_response(500)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def test_a_5xx_without_a_cause_is_found(tmp_path: Path) -> None:
    """The check itself can fail."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Broken) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}"
        try:
            done = subprocess.run(
                command(tmp_path, url, 2, "--include-path", "/version"),
                env=os.environ | ENVIRONMENT,
                capture_output=True,
                text=True,
                timeout=100,
            )
        finally:
            server.shutdown()
            thread.join()
    assert done.returncode == 1
    assert "without a cause" in done.stdout
