"""The registry server beside Debian's docker-registry, and what the machine gives at most.

    .venv/bin/python bench/registry.py [--quick] [--only serving,manifests,pushing,memory]

Both registries hold the same image in a directory of their own, on the same file system, and are
asked by the same client over loopback; they take turns. Floors: `sendfile` from one process to
another for serving, `openssl speed sha256` for pushing. Requests are counted against the processor
time of the server, for the client costs more than it does.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from support.debian import debian_program  # noqa: E402
from support.registry_server import Client, digest_of, manifest, with_digest  # noqa: E402
from wharfie.formats.oci.descriptor import OCI_MANIFEST  # noqa: E402

SIZE = 300 << 20
LAYERS = 6
CONFIG = """version: 0.1
storage: {{filesystem: {{rootdirectory: {folder}/theirs}}}}
http: {{addr: "127.0.0.1:{port}"}}
log: {{level: warn, accesslog: {{disabled: true}}}}
"""


class Server:
    """A registry that runs, and its process's figures."""

    def __init__(self, name: str, command: list[str], port: int, folder: Path) -> None:
        self.name = name
        self._log = (folder / f"{port}.log").open("wb")
        begun = time.perf_counter()
        self.process = subprocess.Popen(command, stdout=self._log, stderr=self._log)
        self.client = Client("127.0.0.1", port)
        for _ in range(500):
            try:
                self.client.ask("GET", "/v2/")
                break
            except OSError:
                time.sleep(0.01)
        self.started = time.perf_counter() - begun

    def seconds(self) -> float:
        """Processor time so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(") ")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def peak(self) -> float:
        """Most memory it ever had, in MiB."""
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+)", text)[1]) / 1024

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.client.port))

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(20)
        self._log.close()


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def start(folder: Path) -> list[Server]:
    ours, theirs = free_port(), free_port()
    program = ROOT / ".venv/bin/wharfie-registry"
    command = [str(program), "serve", "--addr", f"127.0.0.1:{ours}", "--root", str(folder / "ours")]
    servers = [Server("wharfie-registry", command, ours, folder)]
    try:
        genuine = debian_program("usr/bin/docker-registry", "docker-registry").path
    except BaseException as error:  # noqa: BLE001 - a skip, outside of a test
        print(f"no docker-registry: {error}", file=sys.stderr)
        return servers
    config = folder / "config.yml"
    config.write_text(CONFIG.format(folder=folder, port=theirs))
    servers.append(Server("docker-registry", [genuine, "serve", str(config)], theirs, folder))
    return servers


def blobs(size: int) -> list[bytes]:
    piece = os.urandom(1 << 20)
    count = max(1, size // LAYERS >> 20)
    return [os.urandom(64) + piece * count for _ in range(LAYERS)]


def push(server: Server, name: str, layers: list[bytes], *, clients: int = 3) -> float:
    """Push an image as docker does: a stream a layer, three at once; returns seconds."""
    config = os.urandom(40)
    waiting = [config, *layers]
    digests = {id(one): digest_of(one) for one in waiting}
    begun = time.perf_counter()

    def work() -> None:
        while waiting:
            try:
                data = waiting.pop()
            except IndexError:
                return
            location = server.client.begin(name)
            with server.connect() as raw:
                path = location.partition(str(server.client.port))[2] or location
                send_chunked(raw, path, data)
                location = answer_of(raw)["location"]
            done = server.client.ask("PUT", with_digest(location, digests[id(data)]), b"")
            assert done.status == 201, done

    threads = [threading.Thread(target=work) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    server.client.push_manifest(name, manifest(config, *layers), "latest")
    return time.perf_counter() - begun


def send_chunked(raw: socket.socket, path: str, data: bytes) -> None:
    head = f"PATCH {path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    raw.sendall(head.encode())
    view = memoryview(data)
    for at in range(0, len(view), 1 << 20):
        piece = view[at : at + (1 << 20)]
        raw.sendall(b"%x\r\n" % len(piece))
        raw.sendall(piece)
        raw.sendall(b"\r\n")
    raw.sendall(b"0\r\n\r\n")


def answer_of(raw: socket.socket) -> dict[str, str]:
    data = b""
    while b"\r\n\r\n" not in data:
        piece = raw.recv(65536)
        assert piece, data
        data += piece
    lines = data.partition(b"\r\n\r\n")[0].decode().split("\r\n")
    assert lines[0].split()[1] in ("200", "201", "202"), lines[0]
    return {k.lower(): v for k, _, v in (line.partition(": ") for line in lines[1:])}


def fetch(server: Server, name: str, digest: str, size: int) -> float:
    """Read a blob and throw it away; returns GB/s."""
    with server.connect() as raw:
        begun = time.perf_counter()
        raw.sendall(f"GET /v2/{name}/blobs/{digest} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        drain(raw, size)
        return size / (time.perf_counter() - begun) / 1e9


def drain(raw: socket.socket, size: int) -> None:
    """Read at least `size` bytes; the kernel drops them."""
    buffer = bytearray(1 << 20)
    got = 0
    while got < size:
        count = raw.recv_into(buffer, len(buffer), socket.MSG_TRUNC)
        assert count, f"ended after {got} of {size}"
        got += count


def floor_sendfile(path: Path) -> float:
    """One process sends a file by sendfile, another drops it; GB/s."""
    size = path.stat().st_size
    with socket.create_server(("127.0.0.1", 0)) as server:
        child = os.fork()
        if not child:
            raw, _ = server.accept()
            with path.open("rb") as file:
                raw.sendfile(file)
            os._exit(0)
        with socket.create_connection(server.getsockname()) as raw:
            begun = time.perf_counter()
            drain(raw, size)
            seconds = time.perf_counter() - begun
        os.waitpid(child, 0)
    return size / seconds / 1e9


def floor_sha256() -> float:
    """What openssl hashes, in GB/s."""
    done = subprocess.run(
        ["openssl", "speed", "-seconds", "1", "-bytes", "16384", "-evp", "sha256"],
        capture_output=True,
        text=True,
        check=True,
    )
    return float(re.findall(r"([\d.]+)k\s*$", done.stdout, re.MULTILINE)[-1]) * 1000 / 1e9


ASKING = """
import socket, sys, time
port, seconds, request = int(sys.argv[1]), float(sys.argv[2]), sys.argv[3].encode()
raw = socket.create_connection(("127.0.0.1", port))
raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
count, until = 0, time.monotonic() + seconds
while time.monotonic() < until:
    raw.sendall(request)
    data = raw.recv(65536)
    head, _, body = data.partition(b"\\r\\n\\r\\n")
    assert b" 200 " in head[:20], head
    size = int(head.lower().partition(b"content-length: ")[2].split(b"\\r\\n")[0])
    while len(body) < size:
        body += raw.recv(65536)
    count += 1
print(count)
"""


def ask_manifests(server: Server, name: str, seconds: float, clients: int) -> tuple[float, float]:
    """Manifest requests a second by the clock, and a second of the server's processor time."""
    request = (
        f"GET /v2/{name}/manifests/latest HTTP/1.1\r\nHost: x\r\nAccept: {OCI_MANIFEST}\r\n\r\n"
    )
    before = server.seconds()
    begun = time.perf_counter()
    command = [sys.executable, "-c", ASKING, str(server.client.port), str(seconds), request]
    asking = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(clients)]
    count = sum(int(one.communicate()[0]) for one in asking)
    clock = time.perf_counter() - begun
    return count / clock, count / max(0.01, server.seconds() - before)


def crowd(server: Server, clients: int, size: int) -> None:
    """Many clients, each pushing a blob and pulling another one."""
    data = os.urandom(size)
    digest = server.client.push_blob("crowd", data)
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            mine = number.to_bytes(8, "big") + data
            location = server.client.begin("crowd")
            with server.connect() as raw:
                path = location.partition(str(server.client.port))[2] or location
                send_chunked(raw, path, mine)
                location = answer_of(raw)["location"]
            wanted = f"sha256:{hashlib.sha256(mine).hexdigest()}"
            assert server.client.ask("PUT", with_digest(location, wanted), b"").status == 201
            fetch(server, "crowd", digest, size)
        except BaseException as error:  # noqa: BLE001 - told below
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def median(samples: list[float]) -> str:
    return (
        f"{statistics.median(samples):8.2f}  (of {len(samples)}: "
        + " ".join(f"{one:.2f}" for one in sorted(samples))
        + ")"
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", default="serving,manifests,pushing,memory")
    parser.add_argument("--folder", help="where the registries keep their data")
    options = parser.parse_args()
    wanted = options.only.split(",")
    size = SIZE // 10 if options.quick else SIZE
    rounds = 2 if options.quick else 5
    folder = Path(tempfile.mkdtemp(prefix="bench-registry-", dir=options.folder))
    servers = start(folder)
    try:
        for server in servers:
            print(f"{server.name:20} started in {server.started * 1000:.0f} ms")
        if "serving" in wanted:
            serving(servers, folder, size, rounds)
        if "manifests" in wanted:
            manifests(servers, 1.0 if options.quick else 3.0, rounds)
        if "pushing" in wanted:
            pushing(servers, size, rounds)
        if "memory" in wanted:
            memory(servers, 4 << 20 if options.quick else 20 << 20)
    finally:
        for server in servers:
            server.stop()
        shutil.rmtree(folder)


def serving(servers: list[Server], folder: Path, size: int, rounds: int) -> None:
    data = os.urandom(1 << 20) * (size >> 20)
    digest = digest_of(data)
    for server in servers:
        server.client.push_blob("serving", data)
    (file,) = (folder / "ours").rglob(f"{digest.partition(':')[2]}/data")
    rates: dict[str, list[float]] = {}
    for _ in range(rounds):
        rates.setdefault("floor: sendfile", []).append(floor_sendfile(file))
        for server in servers:
            rates.setdefault(server.name, []).append(fetch(server, "serving", digest, size))
    print(f"\nserving a blob of {size >> 20} MiB, GB/s")
    for name, samples in rates.items():
        print(f"  {name:20} {median(samples)}")


def manifests(servers: list[Server], seconds: float, rounds: int) -> None:
    for server in servers:
        server.client.push_blob("asked", b"{}")
        server.client.push_manifest("asked", manifest(b"{}"), "latest")
    clock: dict[str, list[float]] = {}
    core: dict[str, list[float]] = {}
    for _ in range(rounds):
        for server in servers:
            by_clock, by_core = ask_manifests(server, "asked", seconds, 3)
            clock.setdefault(server.name, []).append(by_clock)
            core.setdefault(server.name, []).append(by_core)
    print("\nmanifest requests a second: by three clients, and a second of processor time")
    for server in servers:
        print(f"  {server.name:20} {median(clock[server.name])}")
        print(f"  {'':20} {median(core[server.name])} a core")


def pushing(servers: list[Server], size: int, rounds: int) -> None:
    times: dict[str, list[float]] = {}
    hashed = floor_sha256()
    for number in range(rounds):
        layers = blobs(size)
        for server in servers if number % 2 else reversed(servers):
            os.sync()
            times.setdefault(server.name, []).append(push(server, f"push/{number}", layers))
    print(f"\npushing an image of {size >> 20} MiB in {LAYERS} layers, seconds")
    print(f"  {'floor: openssl':20} {size / hashed / 1e9:8.2f}  (sha256 by one core)")
    for server in servers:
        print(f"  {server.name:20} {median(times[server.name])}")


def memory(servers: list[Server], size: int) -> None:
    print(f"\nmost memory with 64 clients, each pushing and pulling {size >> 20} MiB, in MiB")
    for server in servers:
        crowd(server, 64, size)
        print(f"  {server.name:20} {server.peak():8.1f}")


if __name__ == "__main__":
    main()
