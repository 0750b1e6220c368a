"""RUN as a vertex.

Source: Dockerfile reference, "RUN"; BuildKit frontend/dockerfile/dockerfile2llb for heredocs.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Sequence

from msgspec import Struct, structs

from wharfie.engine.images.making.instructions import SHELL
from wharfie.formats.dockerfile import instructions as kinds
from wharfie.formats.dockerfile.heredocs import Heredoc, heredoc_of
from wharfie.formats.dockerfile.mounts import Mount, parse_mount
from wharfie.formats.dockerfile.problem import DockerfileProblem
from wharfie.model.build.graph import (
    SCRATCH,
    ExecOp,
    FileOp,
    MakeFile,
    MountKind,
    Sharing,
    StepMount,
    Vertex,
)

_SCRIPTS = "/dev/pipes/"
_AGENTS = "/run/buildkit/ssh_agent."
_SECRETS = "/run/secrets/"
_SECRET_MODE = 0o400
_SOCKET_MODE = 0o600
_CACHE_MODE = 0o755


class RunCommand(Struct, frozen=True, kw_only=True):
    """What a RUN comes to.

    Attributes:
        scripts: files to be mounted at `/dev/pipes`.
    """

    arguments: list[str]
    scripts: list[MakeFile]


def run_command(run: kinds.Run, shell: Sequence[str] | None, *, missing: list[str]) -> RunCommand:
    """The argument vector, heredocs worked in.

    Args:
        run: the instruction.
        shell: in force, None for the usual one.
        missing: given to the shell where no script is.

    Raises:
        DockerfileProblem: no command.
    """
    words = run.command.words
    scripts: list[MakeFile] = []
    if run.heredocs and run.command.in_shell:
        words, scripts = _with_heredocs(words[0], run.heredocs)
    if run.command.in_shell:
        words = words or missing
        return RunCommand(arguments=[*(shell or SHELL), *words], scripts=scripts)
    if not words:
        raise DockerfileProblem("RUN requires at least one argument")
    return RunCommand(arguments=words, scripts=scripts)


def _with_heredocs(script: str, heredocs: Sequence[Heredoc]) -> tuple[list[str], list[MakeFile]]:
    if heredoc_of(script) is None:
        # The shell reads them itself.
        parts = [f"{heredoc.content}{heredoc.name}" for heredoc in heredocs]
        return ["\n".join([script, *parts])], []
    first = heredocs[0]
    if not first.content.startswith("#!"):
        return [first.text], []
    data = first.text.encode()
    file = MakeFile(path=f"/{first.name}", data=data, mode="0755")
    return [_SCRIPTS + first.name], [file]


class Surroundings(Struct, frozen=True, kw_only=True):
    """What a command finds.

    Attributes:
        expand: replaces variables in mounts.
        source_of: what `from=` names; "" is the build context.
        cache_namespace: keeps cache mounts of one name apart.
    """

    root: Vertex
    environment: list[str]
    proxies: list[str]
    user: str
    directory: str
    expand: Callable[[str], str]
    source_of: Callable[[str], Vertex]
    cache_namespace: str = ""


def run_operation(
    run: kinds.Run, command: RunCommand, around: Surroundings
) -> tuple[ExecOp, list[Vertex]]:
    """The operation and its inputs.

    Raises:
        DockerfileProblem: a mount that cannot be.
    """
    environment = around.environment
    inputs = [around.root]
    mounts: list[StepMount] = []
    agents = 0
    if command.scripts:
        inputs.append(Vertex(FileOp(actions=list(command.scripts)), name="[internal] heredoc"))
        mounts.append(
            StepMount(kind=MountKind.BIND, target=_SCRIPTS.rstrip("/"), source=1, read_only=True)
        )
    for text in run.mounts:
        mount = parse_mount(text, around.expand)
        source = SCRATCH
        if mount.kind == "bind" or (mount.kind == "cache" and mount.from_):
            vertex = around.source_of(mount.from_)
            if vertex not in inputs[1:]:
                inputs.append(vertex)
            source = inputs.index(vertex, 1)
        step_mount = _step_mount(mount, source, around.directory, around.cache_namespace)
        if step_mount.kind is MountKind.SSH:
            target = step_mount.target or f"{_AGENTS}{agents}"
            step_mount = structs.replace(step_mount, target=target)
            if not agents:
                environment = [*environment, f"SSH_AUTH_SOCK={target}"]
            agents += 1
        mounts.append(step_mount)
    operation = ExecOp(
        arguments=command.arguments,
        environment=environment,
        proxies=around.proxies,
        user=around.user,
        directory=around.directory or "/",
        network="" if run.network == "default" else run.network,
        security=run.security or "sandbox",
        devices=run.devices,
        mounts=mounts,
        shell=run.command.in_shell,
    )
    return operation, inputs


def _step_mount(mount: Mount, source: int, directory: str, namespace: str) -> StepMount:
    kind = MountKind(mount.kind)
    target = _target(mount, directory)
    match kind:
        case MountKind.BIND:
            return StepMount(
                kind=kind,
                target=target,
                source=source,
                selector=_selector(mount.source),
                read_only=mount.read_only is not False,
            )
        case MountKind.CACHE:
            return StepMount(
                kind=kind,
                target=target,
                source=source,
                selector=_selector(mount.source),
                read_only=mount.read_only is True,
                id=f"{namespace}/{mount.id or target}",
                sharing=Sharing(mount.sharing or "shared"),
                mode=_CACHE_MODE if mount.mode is None else mount.mode,
                uid=mount.uid or 0,
                gid=mount.gid or 0,
            )
        case MountKind.TMPFS:
            return StepMount(kind=kind, target=target, size=mount.size)
        case MountKind.SECRET:
            return _secret(mount, target)
        case MountKind.SSH:
            return StepMount(
                kind=kind,
                target=target,
                id=mount.id or "default",
                required=mount.required,
                mode=_SOCKET_MODE if mount.mode is None else mount.mode,
                uid=mount.uid or 0,
                gid=mount.gid or 0,
            )


def _secret(mount: Mount, target: str) -> StepMount:
    identity = mount.id or posixpath.basename(mount.target)
    if not identity:
        raise DockerfileProblem("invalid secret mount. one of source, target required")
    environment = mount.environment
    if environment == "":
        environment = identity
    return StepMount(
        kind=MountKind.SECRET,
        # With a variable alone there is no file.
        target="" if environment is not None and not mount.target else target,
        id=identity,
        required=mount.required,
        environment=environment or "",
        mode=_SECRET_MODE if mount.mode is None else mount.mode,
        uid=mount.uid or 0,
        gid=mount.gid or 0,
    )


def _target(mount: Mount, directory: str) -> str:
    target = mount.target
    if not target and mount.kind == "secret":
        target = _SECRETS + (posixpath.basename(mount.id) or "")
    if not target and mount.kind == "ssh":
        return ""
    path = "/" + posixpath.normpath(posixpath.join("/", directory, target)).lstrip("/")
    if path == "/":
        raise DockerfileProblem(f'invalid mount target "{path}"')
    return path


def _selector(path: str) -> str:
    """A path below the root of an input: "..", links apart, does not lead out of it."""
    return posixpath.normpath(posixpath.join("/", path)).lstrip("/")
