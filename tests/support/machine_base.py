"""Base systems of scratch machines: Debian with systemd and what Wharfie needs, made once, kept.

A base is a directory below `CACHE`, named after everything that went into it. Wharfie's Python
dependencies are in `/opt/wharfie/packages` inside, for the Debian's own interpreter; its sources
are not: they come into each machine as they are now.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[2]
CACHE = Path(os.environ.get("WHARFIE_TEST_CACHE", "/var/cache/wharfie-tests"))
PYTHONS = {"bookworm": "3.11", "trixie": "3.13"}
PACKAGES = (
    "systemd", "systemd-sysv", "dbus", "iproute2", "procps", "net-tools", "curl", "openssl",
    "python3", "crun", "busybox-static",
)  # fmt: skip
# Nobody reads manuals here; and what is cached needs no protection from a power cut.
DPKG_RULES = """\
force-unsafe-io
path-exclude=/usr/share/doc/*
path-exclude=/usr/share/man/*
path-exclude=/usr/share/locale/*
path-exclude=/usr/share/i18n/*
"""
RECIPE = "3"
"""To be raised when the making changes."""


def base_system(suite: str) -> Path:
    """The directory of a suite's base system, made if it is not there; not to be written to."""
    lock_file = (ROOT / "uv.lock").read_bytes()
    ingredients = "\0".join([RECIPE, suite, DPKG_RULES, *PACKAGES]).encode() + lock_file
    key = hashlib.sha256(ingredients).hexdigest()[:12]
    CACHE.mkdir(parents=True, exist_ok=True)
    base = CACHE / f"{suite}-{key}"
    with (CACHE / f"{suite}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not base.exists():
            making = Path(tempfile.mkdtemp(prefix=f"{suite}-new-", dir=CACHE))
            try:
                _make(suite, making / "root")
                (making / "root").rename(base)
            finally:
                shutil.rmtree(making, ignore_errors=True)
    return base


def _make(suite: str, root: Path) -> None:
    debs = CACHE / f"{suite}-debs"
    debs.mkdir(exist_ok=True)
    _run(
        "debootstrap", "--foreign", "--variant=minbase", f"--include={','.join(PACKAGES)}",
        f"--cache-dir={debs}", "--keyring=/usr/share/keyrings/debian-archive-keyring.gpg",
        suite, str(root), _mirror(),
    )  # fmt: skip
    rules = root / "etc/dpkg/dpkg.cfg.d/tests"
    rules.parent.mkdir(parents=True, exist_ok=True)
    rules.write_text(DPKG_RULES)
    # It mounts /proc and /sys inside, and leaves them: in mounts of its own.
    private = ("unshare", "--mount", "--propagation", "private")
    _run(*private, "chroot", str(root), "/debootstrap/debootstrap", "--second-stage")
    _install_dependencies(suite, root / "opt/wharfie/packages")
    _run("chroot", str(root), "python3", "-m", "compileall", "-q", "/opt/wharfie/packages")
    for leftover in ("var/cache/apt/archives", "var/lib/apt/lists"):
        shutil.rmtree(root / leftover, ignore_errors=True)
        (root / leftover).mkdir()
    (root / "etc/machine-id").write_text("")
    # Units for a kernel and a network of its own, which the machine has not.
    for unit in ("systemd-modules-load.service", "systemd-timesyncd.service"):
        mask = root / "etc/systemd/system" / unit
        mask.unlink(missing_ok=True)
        mask.symlink_to("/dev/null")


def _install_dependencies(suite: str, target: Path) -> None:
    listed = _run(
        _uv(), "export", "--frozen", "--no-dev", "--no-emit-project", "--no-hashes", "-q",
        cwd=ROOT,
    )  # fmt: skip
    requirements = target.parent / "requirements.txt"
    requirements.parent.mkdir(parents=True, exist_ok=True)
    requirements.write_text(listed)
    machine = os.uname().machine
    _run(
        _uv(), "pip", "install", "-q", "--no-deps", "--target", str(target),
        "--python-version", PYTHONS[suite], "--python-platform", f"{machine}-manylinux_2_36",
        "--only-binary", ":all:", "-r", str(requirements), cwd=ROOT,
    )  # fmt: skip


def _uv() -> str:
    """The uv of script/bootstrap, or the developer's own."""
    own = ROOT / "build/uv/bin/uv"
    return str(own) if own.exists() else (shutil.which("uv") or "uv")


def _mirror() -> str:
    """The main archive that this machine's apt uses."""
    lines = _run(
        "apt-get", "indextargets", "--format", "$(RELEASE) $(COMPONENT) $(REPO_URI)",
        "Created-By: Packages",
    ).splitlines()  # fmt: skip
    for line in lines:
        release, component, uri = line.split()
        if "-" not in release and component == "main":
            return uri
    raise RuntimeError("apt on this machine knows no main archive")


def _run(*argv: str, cwd: Path | None = None, environment: Mapping[str, str] | None = None) -> str:
    done = subprocess.run(
        argv, cwd=cwd, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL
    )
    if done.returncode:
        said = "\n".join((done.stdout + done.stderr).splitlines()[-20:])
        raise RuntimeError(f"{' '.join(argv)} ended with {done.returncode}:\n{said}")
    return done.stdout


if __name__ == "__main__":
    # script/test makes them while other tests run.
    for wanted in sys.argv[1:]:
        base_system(wanted)
