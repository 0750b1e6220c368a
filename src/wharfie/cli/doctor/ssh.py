"""An ssh address: the program, the host, the login, and the daemon's end over there."""

from __future__ import annotations

import shutil
import subprocess

from wharfie.cli.doctor.findings import Finding, fail, ok
from wharfie.cli.doctor.network import Findings
from wharfie.client.endpoint import Endpoint
from wharfie.client.ssh import ssh_words

_SECONDS = 40
# What ssh says, what it means, and what mends it; {host} as given to ssh, {words} all of it.
_COMPLAINTS = (
    ("Could not resolve hostname", "name", "ssh cannot resolve {host}",
     "getent hosts {host}; echo 'ADDRESS {host}' >> /etc/hosts"),
    ("REMOTE HOST IDENTIFICATION HAS CHANGED", "host key",
     "{host} shows another key than before: it was set up anew, or somebody poses as it",
     "ssh-keygen -R {host}; {words}  # after comparing its fingerprint"),
    ("Host key verification failed", "host key", "{host} is not known here yet",
     "{words}  # once by hand, and compare the fingerprint it shows"),
    ("Connection refused", "port", "no ssh server listens on {host}",
     "on {host}: systemctl enable --now ssh"),
    ("timed out", "port", "{host} does not answer: it is down, or a firewall drops the packets",
     "on {host}: nft insert rule inet filter input tcp dport 22 accept"),
    ("No route to host", "route", "there is no way to {host}", "ip route get {host}"),
    ("Network is unreachable", "route", "there is no way to {host}", "ip route get {host}"),
    ("Permission denied", "login", "{host} does not let us in without asking",
     "ssh-copy-id {login}  # or ssh-add, where the key has a passphrase"),
)  # fmt: skip


def check_ssh(endpoint: Endpoint) -> Findings:
    """Yield what is wrong with the login and over there; returns whether the daemon is in reach."""
    if shutil.which("ssh") is None:
        yield fail("ssh program", "there is no ssh here", "apt-get install openssh-client")
        return False
    words = ssh_words(endpoint)
    done = _run([*words[:1], "-o", "BatchMode=yes", *words[1:], "true"])
    if done.returncode == 255:
        yield _complaint(endpoint, done.stderr.strip())
        return False
    yield ok("login", f"{endpoint.host} lets us in")
    script = "command -v docker || command -v wharfie"
    found = _run([*words[:1], "-o", "BatchMode=yes", *words[1:], "sh", "-c", f"'{script}'"])
    program = found.stdout.strip()
    if not program:
        yield fail(
            "remote program",
            f"{endpoint.host} has neither docker nor wharfie on the PATH of ssh sessions",
            f"on {endpoint.host}: ln -s $(command -v wharfie) /usr/local/bin/docker",
        )
        return False
    yield ok("remote program", f"{endpoint.host} has {program}")
    return True


def _run(words: list[str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            words,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_SECONDS,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(words, 255, "", "timed out")


def _complaint(endpoint: Endpoint, said: str) -> Finding:
    login = f"{endpoint.user}@{endpoint.host}" if endpoint.user else endpoint.host
    words = " ".join(["ssh", *(["-p", str(endpoint.port)] if endpoint.port else []), login])
    for mark, check, detail, remedy in _COMPLAINTS:
        if mark in said:
            values = {"host": endpoint.host, "words": words, "login": login}
            return fail(check, detail.format(**values), remedy.format(**values))
    last = said.splitlines()[-1] if said else "ssh ends without a word"
    return fail("login", last, f"{words} -v")
