"""A program that answers /_ping on the socket of `-H`, to test the daemon fixture itself.

With `--leak` it leaves a process, a mount and a veth pair behind, as a bad daemon would.
"""

import argparse
import http.server
import os
import signal
import socketserver
import subprocess
import sys


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = {"/_ping": b"OK", "/events": b""}.get(self.path.partition("?")[0], b"[]")
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing; the inherited one needs an address, which a unix socket has not."""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("-H", dest="host")
    parser.add_argument("--leak", action="store_true")
    parser.add_argument("--die", action="store_true")
    arguments, _ = parser.parse_known_args()
    if arguments.die:
        sys.exit("no reason given")
    if arguments.leak:
        subprocess.Popen(["sleep", "1000"], start_new_session=True)
        subprocess.run(["mount", "-t", "tmpfs", "leaked", "/mnt"], check=True)
        command = "ip link add vethleak type veth peer name vethkael"
        subprocess.run(command.split(), check=True)
        subprocess.run(["nft", "add", "table", "ip", "leaked"], check=True)
    path = arguments.host.removeprefix("unix://")
    if os.path.exists(path):
        os.unlink(path)
    server = socketserver.ThreadingUnixStreamServer(path, Handler)
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    server.serve_forever()


if __name__ == "__main__":
    main()
