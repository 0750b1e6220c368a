"""What an installation consists of. Pure.

/usr/bin/wharfie, wharfied (and docker, dockerd)    links to the programs
/lib/systemd/system/NAME.service, NAME.socket       units; NAME is wharfie or docker
/etc/NAME/                                          for daemon.json and certificates
group docker                                        may use the socket
"""

from __future__ import annotations

from wharfie.cli.installation.units import SOCKET, service_unit, socket_unit

GROUP = "docker"
BIN = "/usr/bin"
UNITS = "/lib/systemd/system"
RECORD = "/etc/wharfie/installation.json"


class Plan:
    """Paths as the machine sees them.

    Attributes:
        name: of the units, "wharfie" or "docker".
        directories: to be there.
        links: path to target.
        files: path to content.
        group: to be there.
    """

    def __init__(self, *, programs: str, docker_compat: bool, socket: str = SOCKET) -> None:
        """Plan an installation.

        Args:
            programs: directory with `wharfie` and `wharfied`.
            docker_compat: take the names `docker` and `dockerd` too.
            socket: path of the unix socket.
        """
        self.name = "docker" if docker_compat else "wharfie"
        self.group = GROUP
        self.directories = ["/etc/wharfie", f"/etc/{self.name}"]
        names = {"wharfie": "wharfie", "wharfied": "wharfied"}
        if docker_compat:
            names |= {"docker": "wharfie", "dockerd": "wharfied"}
        self.links = {
            f"{BIN}/{name}": f"{programs}/{target}"
            for name, target in names.items()
            if programs != BIN or name != target
        }
        daemon = f"{BIN}/dockerd" if docker_compat else f"{BIN}/wharfied"
        self.files = {
            f"{UNITS}/{self.name}.service": service_unit(self.name, daemon),
            f"{UNITS}/{self.name}.socket": socket_unit(socket, self.group),
        }
