"""An ssh server in scratch namespaces: Debian's sshd, its keys, and a client's home for it.

    with Namespaces() as machine, SshServer(machine, programs={"docker": path}) as server:
        machine.run("ssh", "machine", "true")

Everything is mounted over the machine's own files inside the namespaces only: `/root/.ssh`,
`/etc/passwd` (sshd wants a user of its own) and `/run/sshd`. Sessions find `programs` first.
"""

import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

from support.debian import Program, debian_program
from support.netns import Namespaces, poll


def _parts(program: Program) -> str:
    """Where the programs are that sshd is made of since OpenSSH 9.8."""
    found = program.unpacked / "usr/lib/openssh"
    names = {"SshdSessionPath": "sshd-session", "SshdAuthPath": "sshd-auth"}
    return "".join(f"\n{key} {found / v}" for key, v in names.items() if (found / v).exists())


class SshServer:
    """One sshd on port 22 inside, root's key already known; a context manager.

    Args:
        machine: the namespaces it runs in; their ssh clients find it as `machine`.
        programs: what sessions find first on their PATH, by name.
        config: further lines of sshd's configuration.
        address: where it listens.
    """

    def __init__(
        self,
        machine: Namespaces,
        programs: dict[str, str],
        config: str = "",
        *,
        address: str = "127.0.0.1",
    ) -> None:
        self._address = address
        program = debian_program("usr/sbin/sshd", "openssh-server", "libwrap0", "libwtmpdb0")
        self.directory = Path(tempfile.mkdtemp(prefix="ws-", dir="/tmp"))
        self.home = self.directory / "ssh"
        self._machine = machine
        self.log = self.directory / "sshd.log"
        self._make_files(programs, config + _parts(program))
        machine.check("mkdir", "-p", "-m", "700", "/root/.ssh")
        machine.check("mkdir", "-p", "/run/sshd")
        for source, target in (
            (self.home, "/root/.ssh"),
            (self.directory / "passwd", "/etc/passwd"),
            (self.directory / "run/sshd", "/run/sshd"),
        ):
            machine.check("mount", "--bind", str(source), target)
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                machine.command(
                    program.path, "-D", "-e", "-f", str(self.directory / "sshd_config")
                ),
                stdin=subprocess.DEVNULL,
                stderr=log,
                env=os.environ | program.environment,
            )
        for _ in poll(f"sshd to listen; it says: {self.log}"):
            if "Server listening" in self.log.read_text():
                break

    def _make_files(self, programs: dict[str, str], config: str) -> None:
        self.directory.chmod(0o755)
        self.home.mkdir(mode=0o700)
        (self.directory / "run/sshd").mkdir(parents=True, mode=0o755)
        binaries = self.directory / "bin"
        binaries.mkdir()
        for name, target in programs.items():
            (binaries / name).symlink_to(target)
        users = Path("/etc/passwd").read_text()
        if "\nsshd:" not in users:
            users += "sshd:x:130:65534::/run/sshd:/usr/sbin/nologin\n"
        (self.directory / "passwd").write_text(users)
        host_key, user_key = self.directory / "host_key", self.home / "id_ed25519"
        for key in (host_key, user_key):
            subprocess.run(
                ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True
            )
        shutil.copy(f"{user_key}.pub", self.home / "authorized_keys")
        public = Path(f"{host_key}.pub").read_text()
        (self.home / "known_hosts").write_text(f"{self._address} {public}")
        (self.home / "config").write_text(f"Host machine\n  HostName {self._address}\n")
        (self.directory / "sshd_config").write_text(
            f"HostKey {host_key}\nListenAddress {self._address}\nPermitRootLogin yes\n"
            f"StrictModes no\nSubsystem sftp internal-sftp\n"
            f"UsePAM no\nPidFile none\nLogLevel VERBOSE\n"
            f"SetEnv PATH={binaries}:/usr/sbin:/usr/bin:/sbin:/bin\n{config}\n"
        )

    def connections(self) -> int:
        """How many connections were accepted so far."""
        return self.log.read_text().count("Accepted publickey")

    def __enter__(self) -> "SshServer":
        return self

    def __exit__(self, *_: object) -> None:
        # sshd itself, not what brought it into the namespaces: that waits for it and ends, too.
        started = self._process.pid
        children = Path(f"/proc/{started}/task/{started}/children").read_text().split()
        for pid in children or [started]:
            os.kill(int(pid), signal.SIGTERM)
        self._process.wait(10)
        shutil.rmtree(self.directory, ignore_errors=True)
