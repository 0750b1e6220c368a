"""Units for systemd, shaped like Docker's, and the drop-in points that Docker's users know.

Options may come from the command line of a drop-in, from `daemon.json`, or from the files that
Debian's and Fedora's packages read (`DOCKER_OPTS` in /etc/default, `OPTIONS` in /etc/sysconfig).
Source: daemon.md §6; systemd.service(5), systemd.socket(5), systemd.kill(5).
"""

from __future__ import annotations

SOCKET = "/run/docker.sock"


def service_unit(name: str, program: str) -> str:
    """The service called `name`, which starts `program`.

    No start limit: whoever mended the configuration need not know `systemctl reset-failed`.
    `KillMode=process` leaves the supervisor, and with it the containers, alone.
    """
    return f"""\
[Unit]
Description=Docker-compatible container engine (Wharfie)
After=network-online.target nss-lookup.target {name}.socket firewalld.service time-set.target
Wants=network-online.target
Requires={name}.socket
StartLimitIntervalSec=0

[Service]
Type=notify
NotifyAccess=main
Environment=DOCKER_OPTS= OPTIONS=
EnvironmentFile=-/etc/default/{name}
EnvironmentFile=-/etc/sysconfig/{name}
ExecStart={program} -H fd:// $DOCKER_OPTS $OPTIONS
ExecReload=/bin/kill -s HUP $MAINPID
TimeoutStartSec=0
RestartSec=2
Restart=always
WatchdogSec=120
LimitNOFILE=1048576
LimitNPROC=infinity
LimitCORE=infinity
TasksMax=infinity
Delegate=yes
KillMode=process
OOMScoreAdjust=-500

[Install]
WantedBy=multi-user.target
"""


def socket_unit(path: str = SOCKET, group: str = "docker") -> str:
    """The unix socket on which systemd listens from boot on; clients wait there for the daemon."""
    return f"""\
[Unit]
Description=Socket of the container engine's API

[Socket]
ListenStream={path}
SocketMode=0660
SocketUser=root
SocketGroup={group}

[Install]
WantedBy=sockets.target
"""


def tcp_socket_unit(name: str, port: int = 2375) -> str:
    """The TCP socket as CoreOS's guide has it; not installed unless somebody writes it."""
    return f"""\
[Unit]
Description=Docker Socket for the API

[Socket]
ListenStream={port}
BindIPv6Only=both
Service={name}.service

[Install]
WantedBy=sockets.target
"""
