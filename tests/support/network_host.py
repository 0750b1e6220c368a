"""A host of its own for network tests: a fresh namespace, an outside, containers as processes.

    outside 198.51.100.2 ── veth ── 198.51.100.1 host ── docker0 ── containers

The test body runs in a thread inside the new namespace; whatever it starts, threads and programs,
inherits that. When the thread and its children are gone the kernel frees everything.
"""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import threading
from collections.abc import Awaitable, Callable
from ipaddress import IPv4Address

from wharfie.drivers.network import BridgeNetworks, NetworkSettings
from wharfie.formats.network import rtnetlink
from wharfie.kernel import netns
from wharfie.kernel.descriptors import unix_address
from wharfie.kernel.netlink import NETLINK_ROUTE, NetlinkSocket
from wharfie.model.clock import now
from wharfie.model.ids import ContainerId, NetworkId, generate_id
from wharfie.model.network import (
    IPAM,
    Connection,
    EndpointIPAMConfig,
    EndpointSettings,
    IPAMConfig,
    JoinRequest,
    Network,
    PortBinding,
)
from wharfie.resolver import protocol

HOST_ADDRESS = "198.51.100.1"
OUTSIDE_ADDRESS = "198.51.100.2"


class Container:
    """A joined sandbox with a process inside."""

    def __init__(self, id_: ContainerId, connection: Connection, process: subprocess.Popen[bytes]):
        self.id = id_
        self.connection = connection
        self.process = process

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def address(self) -> str:
        return next(iter(self.connection.endpoints.values())).address

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


class Host:
    """The host, from inside its namespace."""

    def __init__(self, exec_root: str) -> None:
        self.exec_root = exec_root
        self.links = NetlinkSocket(NETLINK_ROUTE)
        self.namespace = netns.open_current()
        self.outside = _new_namespace()
        self.containers: list[Container] = []
        self.drivers: list[BridgeNetworks] = []
        self._wire_outside()

    def _wire_outside(self) -> None:
        self.links.run([rtnetlink.set_up(1)])
        inside = netns.call_inside(self.outside, lambda: NetlinkSocket(NETLINK_ROUTE))
        with inside:
            veth = rtnetlink.create_veth(
                "up0", "eth9", namespace=self.namespace, mac="02:00:00:00:00:99"
            )
            inside.run([rtnetlink.set_up(1), veth])
            index = rtnetlink.parse_link(inside.run([rtnetlink.get_link("up0")])[0]).index
            address = rtnetlink.add_address(index, IPv4Address(OUTSIDE_ADDRESS), 24)
            inside.run([address, rtnetlink.set_up(index)])
        index = rtnetlink.parse_link(self.links.run([rtnetlink.get_link("eth9")])[0]).index
        address = rtnetlink.add_address(index, IPv4Address(HOST_ADDRESS), 24)
        self.links.run([address, rtnetlink.set_up(index)])

    def driver(self, **settings: object) -> BridgeNetworks:
        """A new driver, as of a daemon that starts."""
        made = BridgeNetworks(NetworkSettings(exec_root=self.exec_root, **settings))
        self.drivers.append(made)
        return made

    async def start(
        self,
        driver: BridgeNetworks,
        *networks: Network,
        publish: dict[str, list[PortBinding]] | None = None,
        address: str = "",
        started: bool = True,
    ) -> Container:
        """Join and run a process inside."""
        request = join_request(*networks, publish=publish, address=address)
        connection = await driver.join(request)
        process = subprocess.Popen(
            ["nsenter", f"--net={connection.namespace}", "/bin/busybox", "sleep", "600"]
        )
        await asyncio.to_thread(_wait_inside, process.pid, connection.namespace)
        container = Container(request.container_id, connection, process)
        self.containers.append(container)
        if started:
            await driver.started(request.container_id, process.pid)
        return container

    async def stop(self, driver: BridgeNetworks, container: Container) -> None:
        container.kill()
        await driver.leave(container.id, container.connection)

    def run(self, *command: str, inside: int | Container | None = None) -> tuple[int, str]:
        """Run a program on the host, outside, or in a container; exit code and output."""
        prefix: list[str] = []
        descriptors: tuple[int, ...] = ()
        if isinstance(inside, Container):
            prefix = ["nsenter", f"--net=/proc/{inside.pid}/ns/net"]
        elif inside is not None:
            prefix = ["nsenter", f"--net=/proc/self/fd/{inside}"]
            descriptors = (inside,)
        done = subprocess.run(
            [*prefix, *command],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            pass_fds=descriptors,
            timeout=30,
        )
        return done.returncode, done.stdout

    def socket(
        self, where: int | Container | None, kind: int = socket.SOCK_STREAM
    ) -> socket.socket:
        """A socket on the host (None), outside, or in a container."""

        def make() -> socket.socket:
            made = socket.socket(socket.AF_INET, kind)
            made.settimeout(3.0)
            return made

        if where is None:
            return make()
        if isinstance(where, int):
            return netns.call_inside(where, make)
        namespace = os.open(f"/proc/{where.pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            return netns.call_inside(namespace, make)
        finally:
            os.close(namespace)

    def serve(self, where: int | Container | None, port: int, address: str = "0.0.0.0"):
        """A listening TCP socket."""
        server = self.socket(where)
        try:
            server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            server.bind((address, port))
            server.listen(8)
        except OSError:
            server.close()
            raise
        return server

    def serve_udp(self, where: int | Container | None, port: int, address: str = "0.0.0.0"):
        """A bound UDP socket."""
        server = self.socket(where, socket.SOCK_DGRAM)
        server.bind((address, port))
        return server

    def reach(
        self,
        where: int | Container | None,
        server: socket.socket,
        address: str,
        port: int,
        *,
        timeout: float = 3.0,
    ) -> str:
        """Connect over TCP and exchange a word; the address the server saw.

        Raises OSError (refused, timed out) where it is not reachable.
        """
        with self.socket(where) as client:
            client.settimeout(timeout)
            client.connect((address, port))
            accepted, peer = server.accept()
            with accepted:
                accepted.settimeout(3.0)
                client.sendall(b"ping")
                assert accepted.recv(4) == b"ping"
                accepted.sendall(b"pong")
                assert client.recv(4) == b"pong"
        return str(peer[0])

    def reach_udp(
        self,
        where: int | Container | None,
        server: socket.socket,
        address: str,
        port: int,
        *,
        timeout: float = 3.0,
    ) -> str:
        """The same over UDP; also sees that the answer comes from where it was asked."""
        with self.socket(where, socket.SOCK_DGRAM) as client:
            client.settimeout(timeout)
            client.connect((address, port))
            client.send(b"ping")
            server.settimeout(timeout)
            data, peer = server.recvfrom(16)
            assert data == b"ping"
            server.sendto(b"pong", peer)
            assert client.recv(4) == b"pong"
        return str(peer[0])

    def link_names(self) -> set[str]:
        """Names of all interfaces of the host."""
        answers = self.links.dump(rtnetlink.list_links())
        return {rtnetlink.parse_link(one).name for one in answers}

    def close(self) -> None:
        for container in self.containers:
            container.kill()
        for driver in self.drivers:
            driver.close()
        end_resolver(self.exec_root)
        self.links.close()
        os.close(self.outside)
        os.close(self.namespace)


def end_resolver(exec_root: str) -> None:
    """End the name server, which outlives its daemons as long as anybody needs it."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
        try:
            with unix_address(f"{exec_root}/{protocol.SOCKET_NAME}") as address:
                connection.connect(address)
            for kind in ("begin", "settle", "leave-if-idle"):
                connection.send(protocol.encode({"type": kind}))
            connection.settimeout(5)
            while connection.recv(4096):
                pass
        except (FileNotFoundError, ConnectionError):
            return


def bridge_network(
    name: str = "bridge",
    *,
    subnet: str = "",
    internal: bool = False,
    options: dict[str, str] | None = None,
) -> Network:
    """A network's record, before it is made."""
    default = {
        "com.docker.network.bridge.default_bridge": "true",
        "com.docker.network.bridge.name": "docker0",
    }
    return Network(
        id=NetworkId(generate_id()),
        name=name,
        created=now(),
        internal=internal,
        ipam=IPAM(config=[IPAMConfig(subnet=subnet)] if subnet else []),
        options={**(default if name == "bridge" else {}), **(options or {})},
    )


def join_request(
    *networks: Network,
    publish: dict[str, list[PortBinding]] | None = None,
    address: str = "",
    name: str = "c",
) -> JoinRequest:
    """A request of a new container."""
    wish = EndpointIPAMConfig(ipv4_address=address) if address else None
    return JoinRequest(
        container_id=ContainerId(generate_id()),
        container_name=name,
        networks=[(network, EndpointSettings(ipam_config=wish)) for network in networks],
        publish=publish or {},
    )


def run_on_host(exec_root: str, body: Callable[[Host], Awaitable[None]]) -> None:
    """Run a test's body on a fresh host; raises what it raises."""
    failures: list[BaseException] = []

    async def main() -> None:
        host = Host(exec_root)
        try:
            await body(host)
        finally:
            host.close()

    def thread() -> None:
        try:
            netns.unshare()
            asyncio.run(main())
        except BaseException as error:  # noqa: BLE001 - raised again in the test's thread
            failures.append(error)

    runner = threading.Thread(target=thread, name="host")
    runner.start()
    runner.join()
    if failures:
        raise failures[0]


def _wait_inside(pid: int, namespace: str) -> None:
    """Wait until nsenter has entered."""
    wanted = os.stat(namespace).st_ino
    while os.stat(f"/proc/{pid}/ns/net").st_ino != wanted:
        os.sched_yield()


def _new_namespace() -> int:
    made: list[int] = []

    def body() -> None:
        netns.unshare()
        made.append(netns.open_current())

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    return made[0]
