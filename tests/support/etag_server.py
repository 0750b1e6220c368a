"""Serves files of a directory over HTTP with ETags: `etag_server.py DIRECTORY PORT LOG`.

Each answer's status and path is a line of the log. `/to?URL` redirects, `/endless` never ends.
"""

from __future__ import annotations

import hashlib
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

DIRECTORY, LOG = Path(sys.argv[1]), Path(sys.argv[3])


class Handler(BaseHTTPRequestHandler):
    """One request."""

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        if path == "/to":
            self.answer(302, {"Location": unquote(query)}, b"")
        elif path == "/endless":
            self.send_response(200)
            self.end_headers()
            while True:
                self.wfile.write(bytes(1 << 16))
        elif not (DIRECTORY / path.lstrip("/")).is_file():
            self.answer(404, {}, b"no")
        else:
            self.serve((DIRECTORY / path.lstrip("/")).read_bytes())

    def serve(self, data: bytes) -> None:
        etag = f'"{hashlib.sha256(data).hexdigest()}"'
        if self.headers.get("If-None-Match") == etag:
            self.answer(304, {}, b"")
        else:
            modified = "Sun, 06 Nov 1994 08:49:37 GMT"
            self.answer(200, {"ETag": etag, "Last-Modified": modified}, data)

    def answer(self, status: int, headers: dict[str, str], data: bytes) -> None:
        with LOG.open("a") as log:
            log.write(f"{status} {self.path}\n")
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[2])), Handler).serve_forever()
