"""Small servers over TLS and without, which say one thing to everybody: for clients under test."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator

from support.tls import PairOnDisk


@contextlib.contextmanager
def serving(context: ssl.SSLContext | None, raw: bytes = b"") -> Iterator[int]:
    """Serve `raw` to every caller, over TLS if a context is given; yield the port."""
    listener = socket.create_server(("127.0.0.1", 0))

    def loop() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with contextlib.suppress(OSError), connection:
                connection.settimeout(5)
                if context is None:
                    connection.recv(4096)
                    connection.sendall(raw)
                    continue
                with context.wrap_socket(
                    connection, server_side=True, do_handshake_on_connect=False
                ) as stream:
                    answer_over_tls(stream, raw)

    thread = threading.Thread(target=loop, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)


def answer_over_tls(stream: ssl.SSLSocket, raw: bytes) -> None:
    """Answer, or refuse and wait until the client has read why: a reset would hide it."""
    try:
        stream.do_handshake()
    except ssl.SSLError:
        stream.shutdown(socket.SHUT_WR)
        while stream.recv(4096):
            pass
        return
    stream.recv(4096)
    stream.sendall(raw)


def server_context(pair: PairOnDisk, ca: str = "") -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.cert, pair.key)
    if ca:
        context.load_verify_locations(ca)
        context.verify_mode = ssl.CERT_REQUIRED
    return context
