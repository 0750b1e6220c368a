"""Git repositories as sources: `ADD https://…/x.git#ref:directory`, remote contexts.

The `git` of this host does the work where it can do no harm: as nobody, in a directory of its
own below /var/tmp, without any configuration but ours, no hooks, and with no protocols but those
of the network. What it checked out is copied into the store by a jail worker; it is never looked
at in any other way.

Source: Dockerfile reference, "ADD <git ref>"; git-config(1), `protocol.allow`; BuildKit's
`source/git`.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from msgspec import Struct

from wharfie.build.solver.results import DirectoryResult
from wharfie.build.sources.store import Fetched, FetchedStore
from wharfie.kernel.trees import delete_tree
from wharfie.model.build.files import CopyPlan, Selection, TreeWorker
from wharfie.model.build.graph import SourceOp
from wharfie.model.errors import InvalidArgument, NotFound, Unavailable

SCHEME = "git://"
_PLACE = "/var/tmp"
_NOBODY = 65534
_SECONDS = 600.0
_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_REMOTE = re.compile(r"(?:https?|git|ssh)://[^\s]+|[A-Za-z0-9_.-]+@[A-Za-z0-9_.-]+:[^\s]+")
_SETTINGS = (
    "protocol.allow=never",
    "protocol.http.allow=always",
    "protocol.https.allow=always",
    "protocol.git.allow=always",
    "protocol.ssh.allow=always",
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.protectHFS=true",
    "core.protectNTFS=true",
    "credential.helper=",
    "submodule.recurse=false",
    "transfer.fsckObjects=false",
    "advice.detachedHead=false",
    "init.defaultBranch=main",
    "gc.auto=0",
)
_SSH = "ssh -F /dev/null -o BatchMode=yes -o StrictHostKeyChecking=yes"


class Wanted(Struct, frozen=True, kw_only=True):
    """A repository and what is wanted of it."""

    url: str
    ref: str
    directory: str
    checksum: str
    keep_git_dir: bool
    submodules: bool

    @property
    def address(self) -> str:
        """What tells checkouts apart but for their commit."""
        return (
            f"git {self.url} {self.directory} {self.keep_git_dir:d} {self.submodules:d} "
            f"{self.ref if self.keep_git_dir else ''}"
        )


def parse(operation: SourceOp) -> Wanted:
    """What an operation wants.

    Raises:
        InvalidArgument: no address of a repository that is reached by the network.
    """
    rest = operation.identifier.removeprefix(SCHEME)
    url, _, fragment = rest.partition("#")
    ref, _, directory = fragment.partition(":")
    if not _REMOTE.fullmatch(url) or url.startswith("-"):
        raise InvalidArgument(f"not a git repository's address: {url[:200]}")
    if ref.startswith("-") or any(char in ref for char in " \t\n\\:?*[^~\0"):
        raise InvalidArgument(f"not a git reference: {ref[:200]}")
    attributes = operation.attributes
    return Wanted(
        url=url,
        ref=ref,
        directory=os.path.normpath("/" + directory).lstrip("/"),
        checksum=attributes.get("checksum", ""),
        keep_git_dir=attributes.get("keep_git_dir") in ("true", "1"),
        submodules=attributes.get("submodules") not in ("false", "0"),
    )


class GitSource:
    """Checks repositories out.

    Args:
        store: keeps what came.
        files: copies out of git's own directory.
        data_root: tells our directories from those of other daemons.
        place: directory that everybody can reach.
    """

    def __init__(
        self, store: FetchedStore, files: TreeWorker, *, data_root: str, place: str = _PLACE
    ) -> None:
        self._store = store
        self._files = files
        self._place = place
        owner = hashlib.sha256(os.fsencode(data_root)).hexdigest()[:16]
        self._prefix = f"wharfie-git-{owner}-"

    def sweep(self) -> None:
        """At start: delete what an earlier daemon of this data root left; blocks."""
        for name in os.listdir(self._place):
            if name.startswith(self._prefix):
                delete_tree(os.path.join(self._place, name))

    async def fetch(self, operation: SourceOp, stack: AsyncExitStack) -> DirectoryResult:
        """A checkout, held by the stack.

        Raises:
            NotFound: no such repository, reference or directory.
            InvalidArgument: another commit than the checksum says.
            Unavailable: there is no git on this host.
        """
        wanted = parse(operation)
        commit = wanted.ref if _COMMIT.fullmatch(wanted.ref) else await self._resolve(wanted)
        if wanted.checksum and not commit.startswith(wanted.checksum):
            raise InvalidArgument(f"expected checksum to match {wanted.checksum}, got {commit}")
        known = [one for one in self._store.find(wanted.address) if one.digest == commit]
        entry = known[0] if known else await self._check_out(wanted, commit)
        self._store.use(entry)
        self._store.hold(entry)
        stack.callback(self._store.release, entry)
        return DirectoryResult(f"{wanted.address} {commit}", self._store.directory(entry))

    async def _resolve(self, wanted: Wanted) -> str:
        """The commit that a branch or tag is at now."""
        async with self._scratch() as directory:
            text = await self._git(directory, "ls-remote", wanted.url)
        commits: dict[str, str] = {}
        for line in text.splitlines():
            commit, _, name = line.partition("\t")
            if _COMMIT.fullmatch(commit):
                commits[name] = commit
        ref = wanted.ref or "HEAD"
        names = (ref, f"refs/tags/{ref}^{{}}", f"refs/tags/{ref}", f"refs/heads/{ref}")
        for name in names:
            if name in commits:
                return commits[name]
        raise NotFound(f"repository {wanted.url} does not contain ref {ref}")

    async def _check_out(self, wanted: Wanted, commit: str) -> Fetched:
        async with self._scratch() as directory, self._store.begin() as target:
            git = self._git
            await git(directory, "init", "--quiet")
            await git(directory, "remote", "add", "origin", wanted.url)
            try:
                await git(directory, "fetch", "--quiet", "--depth=1", "origin", commit)
            except NotFound:
                # Not every server gives commits that no name stands for.
                names = "refs/*:refs/remotes/origin/*"
                await git(directory, "fetch", "--quiet", "--tags", "origin", names)
            await git(directory, "checkout", "--quiet", "--force", "--detach", commit)
            if wanted.submodules and os.path.lexists(os.path.join(directory, ".gitmodules")):
                await git(
                    directory,
                    *("submodule", "--quiet", "update", "--init", "--recursive", "--depth=1"),
                )
            await self._copy(wanted, directory, target)
            entry = Fetched(id="", address=wanted.address, digest=commit)
            return await self._store.add(target, entry)

    async def _copy(self, wanted: Wanted, directory: str, target: str) -> None:
        exclude = () if wanted.keep_git_dir else (".git", "**/.git")
        plan = CopyPlan(
            selection=Selection(
                sources=[wanted.directory or "."],
                exclude=exclude,
                follow=False,
            ),
            destination="/",
            owner=(0, 0),
            hard_links=False,
        )
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        source, into = os.open(directory, flags), os.open(target, flags)
        try:
            await self._files.copy(source, into, plan)
        except NotFound:
            raise NotFound(f"repository {wanted.url} has no {wanted.directory}") from None
        finally:
            os.close(source)
            os.close(into)

    @asynccontextmanager
    async def _scratch(self) -> AsyncIterator[str]:
        """A directory that belongs to nobody, the only one git may write."""
        directory = tempfile.mkdtemp(prefix=self._prefix, dir=self._place)
        try:
            os.chown(directory, _NOBODY, _NOBODY)
            yield directory
        finally:
            await asyncio.to_thread(delete_tree, directory)

    async def _git(self, directory: str, *arguments: str) -> str:
        """Run git, and return what it says.

        Raises:
            NotFound: it fails; with what it complains about.
        """
        program, drop = shutil.which("git"), shutil.which("setpriv")
        if program is None or drop is None:
            raise Unavailable("building from git repositories needs git and setpriv on this host")
        settings = [word for one in _SETTINGS for word in ("-c", one)]
        process = await asyncio.create_subprocess_exec(
            drop,
            *("--reuid", str(_NOBODY), "--regid", str(_NOBODY), "--clear-groups"),
            *("--no-new-privs", "--inh-caps=-all", "--bounding-set=-all", "--"),
            program,
            *settings,
            *arguments,
            cwd=directory,
            env=_environment(),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        try:
            async with asyncio.timeout(_SECONDS):
                out, complaint = await process.communicate()
        except TimeoutError:
            raise NotFound(f"git {arguments[0]}: no end within {_SECONDS:.0f} s") from None
        finally:
            if process.returncode is None:
                _kill_session(process.pid)
                await process.wait()
        if process.returncode:
            lines = complaint.decode(errors="replace").strip().splitlines() or ["failed"]
            reason = next((line for line in lines if line.startswith("fatal:")), lines[-1])
            raise NotFound(f"git {arguments[0]}: {reason[:300]}")
        return out.decode(errors="replace")


def _environment() -> dict[str, str]:
    environment = {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": "/nonexistent",
        "LANG": "C.UTF-8",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "/bin/false",
        "GIT_SSH_COMMAND": _SSH,
        "GIT_LFS_SKIP_SMUDGE": "1",
        "GIT_ALLOW_PROTOCOL": "http:https:git:ssh",
    }
    for name in ("http_proxy", "https_proxy", "no_proxy"):
        for spelled in (name, name.upper()):
            if spelled in os.environ:
                environment[spelled] = os.environ[spelled]
    return environment


def _kill_session(pid: int) -> None:
    try:
        os.killpg(pid, 9)
    except ProcessLookupError:
        return
