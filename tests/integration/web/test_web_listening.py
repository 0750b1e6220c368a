"""Opening addresses: stale and live ones, one address by two spellings, families, inheritance."""

import os
import socket
import stat
from pathlib import Path

import pytest

from support.http_serving import connected, read_reply, serving
from wharfie.kernel.sockets import incoming_interface
from wharfie.web import (
    FdListener,
    Listener,
    ListenError,
    Opened,
    Response,
    TcpListener,
    UnixListener,
    close_all,
    open_all,
)

GET = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"


def names(opened: list[Opened]) -> list[object]:
    return [one.getsockname() for each in opened for one in each.sockets]


class Opening:
    """Opens and, at the end, closes."""

    def __init__(self) -> None:
        self.opened: list[Opened] = []

    def __call__(self, *listeners: Listener) -> list[Opened]:
        found = open_all(listeners)
        self.opened += found
        return found


@pytest.fixture
def opening():
    one = Opening()
    yield one
    close_all(one.opened)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_clients_that_come_before_the_server_wait(tmp_path: Path) -> None:
    listener = UnixListener(path=str(tmp_path / "s"))
    (opened,) = open_all([listener])
    with connected(listener.path) as early, serving(lambda _: Response(200, b"hi"), []) as state:
        early.sendall(GET)
        state.run(state.server.serve(opened))
        assert read_reply(early)[2] == b"hi"
    assert not os.path.exists(listener.path)


def test_a_stale_socket_is_taken_over(tmp_path: Path, opening: Opening) -> None:
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(path)
        dead.listen()
    opening(UnixListener(path=path, mode=0o600, gid=7))
    facts = os.stat(path)
    assert (stat.S_IMODE(facts.st_mode), facts.st_gid) == (0o600, 7)


def test_a_live_socket_is_refused_and_its_holder_named(tmp_path: Path, opening: Opening) -> None:
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as live:
        live.bind(path)
        live.listen()
        program = Path("/proc/self/comm").read_text().strip()
        with pytest.raises(ListenError) as caught:
            opening(UnixListener(path=path))
        assert f"{program} (PID {os.getpid()}) listens there already" in str(caught.value)
        with connected(path):
            pass


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_taken_port_is_refused_and_its_holder_named(opening: Opening, host: str) -> None:
    with socket.socket() as live:
        live.bind(("127.0.0.1", 0))
        live.listen()
        with pytest.raises(ListenError) as caught:
            opening(TcpListener(host=host, port=live.getsockname()[1]))
    assert f"(PID {os.getpid()}) listens there already" in str(caught.value)


def test_a_file_in_the_way_is_left_alone(tmp_path: Path, opening: Opening) -> None:
    (tmp_path / "s").write_text("precious")
    with pytest.raises(ListenError, match="not a socket"):
        opening(UnixListener(path=str(tmp_path / "s")))
    assert (tmp_path / "s").read_text() == "precious"


def test_all_or_none(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    with pytest.raises(ListenError, match="cannot resolve"):
        open_all([UnixListener(path=path), TcpListener(host="no.such.host.invalid", port=1)])
    assert not os.path.exists(path)


def test_an_address_of_another_machine_is_refused(opening: Opening) -> None:
    with pytest.raises(ListenError, match="this machine has no such address"):
        opening(TcpListener(host="192.0.2.77", port=free_port()))


def test_one_path_by_two_spellings_is_opened_once(
    tmp_path: Path, opening: Opening, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "var").symlink_to("run")
    opened = opening(*(UnixListener(path=str(tmp_path / d / "s")) for d in ("run", "var")))
    assert len(opened) == 1
    assert "left out" in caplog.text


@pytest.mark.parametrize(
    ("hosts", "expected"),
    [
        (["127.0.0.1", "localhost"], 1),
        (["0.0.0.0", "127.0.0.1"], 1),
        (["127.0.0.1", "0.0.0.0"], 1),
        (["127.0.0.1", "0.0.0.0", "::"], 1),
        (["::", "0.0.0.0", "127.0.0.1", "::1"], 1),
        (["127.0.0.1", "127.0.0.2"], 2),
    ],
)
def test_one_port_by_several_spellings(opening: Opening, hosts: list[str], expected: int) -> None:
    port = free_port()
    opened = opening(*(TcpListener(host=host, port=port) for host in hosts))
    ipv4 = [name for name in names(opened) if name[0] != "::1"]
    assert len(ipv4) == expected


def test_two_colons_serve_both_families(opening: Opening) -> None:
    (opened,) = opening(TcpListener(host="::", port=free_port()))
    port = opened.sockets[0].getsockname()[1]
    for host in ("127.0.0.1", "::1"):
        socket.create_connection((host, port), timeout=5).close()
    (only6,) = opening(TcpListener(host="::1", port=free_port()))
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", only6.sockets[0].getsockname()[1]), timeout=5)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "::"])
def test_a_connection_knows_the_interface_it_came_by(opening: Opening, host: str) -> None:
    (opened,) = opening(TcpListener(host=host, port=free_port()))
    listening = opened.sockets[0]
    target = "::1" if host == "::1" else "127.0.0.1"
    with socket.create_connection((target, listening.getsockname()[1]), timeout=5):
        listening.setblocking(True)
        accepted, _ = listening.accept()
        with accepted:
            assert incoming_interface(accepted) == socket.if_nametoindex("lo")


def inherited(tmp_path: Path, family: socket.AddressFamily) -> socket.socket:
    one = socket.socket(family)
    one.bind({socket.AF_UNIX: str(tmp_path / "i"), socket.AF_INET: ("127.0.0.1", 0)}[family])
    return one


@pytest.mark.parametrize("family", [socket.AF_UNIX, socket.AF_INET])
def test_inherited_sockets_are_served_and_other_spellings_left_out(
    tmp_path: Path, opening: Opening, family: socket.AddressFamily
) -> None:
    """The unit of the seeds gives `fd://` and the same path once more (S4)."""
    one = inherited(tmp_path, family)
    one.listen()
    name = one.getsockname()
    again = (
        UnixListener(path=name)
        if family == socket.AF_UNIX
        else TcpListener(host="127.0.0.1", port=name[1])
    )
    opened = opening(again, FdListener(fd=one.detach(), name="docker.socket"))
    assert [each.listener.url for each in opened] == ["fd://docker.socket"]
    assert names(opened) == [name]


def test_an_inherited_path_outlives_the_server(tmp_path: Path) -> None:
    one = inherited(tmp_path, socket.AF_UNIX)
    one.listen()
    path = one.getsockname()
    with (
        serving(lambda _: Response(200, b"hi"), [FdListener(fd=one.detach())]),
        connected(path) as client,
    ):
        client.sendall(GET)
        assert read_reply(client)[2] == b"hi"
    assert os.path.exists(path)


def test_only_listening_stream_sockets_are_taken(tmp_path: Path, opening: Opening) -> None:
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagram,
        inherited(tmp_path, socket.AF_INET) as bound,
        (tmp_path / "file").open("w") as file,
    ):
        for one, words in (
            (datagram, "not a stream socket"),
            (bound, "does not listen"),
            (file, "is not a socket"),
        ):
            with pytest.raises(ListenError, match=words):
                opening(FdListener(fd=one.fileno()))


def test_an_inherited_wildcard_of_ipv6_alone_leaves_ipv4_to_others(opening: Opening) -> None:
    one = socket.socket(socket.AF_INET6)
    one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    one.bind(("::", 0))
    one.listen()
    port = one.getsockname()[1]
    others = (TcpListener(host=host, port=port) for host in ("::1", "127.0.0.1"))
    opened = opening(FdListener(fd=one.detach()), *others)
    assert [each.listener.url.partition("//")[2] for each in opened][1:] == [f"127.0.0.1:{port}"]


def test_abstract_sockets_are_refused(opening: Opening) -> None:
    """Nobody guards them, and a container on the host's network reaches them (CVE-2020-15257)."""
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(f"\0wharfie-test-{os.getpid()}")
        one.listen()
        with pytest.raises(ListenError, match="abstract socket"):
            opening(FdListener(fd=one.fileno()))
