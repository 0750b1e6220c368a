"""Starts a program as a service manager does that has opened its sockets.

    python activating.py NAME=unix:/path NAME=tcp:HOST:PORT -- PROGRAM ARGUMENTS...

Sockets are descriptors 3, 4, …; an IPv6 host is bound for both families (BindIPv6Only=both).
"""

import os
import socket
import sys


def main() -> None:
    split = sys.argv.index("--")
    sockets = [(name, opened(address)) for name, address in map(parse, sys.argv[1:split])]
    # Out of the way first, then down to where they belong.
    high = [os.dup2(one.fileno(), 100 + n) for n, (_, one) in enumerate(sockets)]
    for n, fd in enumerate(high):
        os.dup2(fd, 3 + n, inheritable=True)
        os.close(fd)
    environment = os.environ | {
        "LISTEN_PID": str(os.getpid()),
        "LISTEN_FDS": str(len(sockets)),
        "LISTEN_FDNAMES": ":".join(name for name, _ in sockets),
    }
    os.execvpe(sys.argv[split + 1], sys.argv[split + 1 :], environment)


def parse(text: str) -> tuple[str, str]:
    name, _, address = text.partition("=")
    return name, address


def opened(address: str) -> socket.socket:
    kind, _, rest = address.partition(":")
    if kind == "unix":
        one = socket.socket(socket.AF_UNIX)
        one.bind(rest)
    else:
        host, _, port = rest.rpartition(":")
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        one = socket.socket(family)
        if family == socket.AF_INET6:
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        one.bind((host, int(port)))
    one.listen(64)
    return one


if __name__ == "__main__":
    main()
