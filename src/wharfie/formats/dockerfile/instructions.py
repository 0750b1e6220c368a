"""The instructions of a Dockerfile, typed; variables are still unexpanded.

Source: Dockerfile reference.
"""

from __future__ import annotations

from msgspec import Struct, field

from wharfie.formats.dockerfile.heredocs import Heredoc
from wharfie.formats.dockerfile.statement import Statement


class Written(Struct, frozen=True, kw_only=True):
    """What all instructions have: how they stand in the file."""

    statement: Statement


class CommandLine(Struct, frozen=True, kw_only=True):
    """Arguments of RUN, CMD, ENTRYPOINT.

    Attributes:
        words: exec form: the vector; shell form: one word, the script.
        in_shell: shell form.
    """

    words: list[str]
    in_shell: bool


class KeyValue(Struct, frozen=True):
    """One `key=value`; `legacy` where it was written `key value`."""

    key: str
    value: str
    legacy: bool = False


class From(Written, frozen=True, kw_only=True):
    """FROM: begins a stage; `name` in lower case, "" for none; `alias` as it is written."""

    base: str
    name: str = ""
    alias: str = ""
    platform: str = ""
    as_keyword: str = ""


class Run(Written, frozen=True, kw_only=True):
    """RUN."""

    command: CommandLine
    mounts: list[str] = field(default_factory=list)
    network: str = ""
    security: str = ""
    devices: list[str] = field(default_factory=list)
    heredocs: list[Heredoc] = field(default_factory=list)


class Copy(Written, frozen=True, kw_only=True):
    """COPY and ADD.

    Attributes:
        sources: as written; heredocs are not among them.
        heredocs: sources whose text stands in the file.
        unpack: `--unpack`, None where it was not given.
    """

    is_add: bool
    sources: list[str]
    destination: str
    heredocs: list[Heredoc] = field(default_factory=list)
    from_: str = ""
    owner: str = ""
    mode: str = ""
    checksum: str = ""
    exclude: list[str] = field(default_factory=list)
    linked: bool = False
    parents: bool = False
    keep_git_dir: bool | None = None
    unpack: bool | None = None


class Env(Written, frozen=True, kw_only=True):
    """ENV."""

    pairs: list[KeyValue]


class Label(Written, frozen=True, kw_only=True):
    """LABEL; `literal` labels (of `--label`) are not expanded."""

    pairs: list[KeyValue]
    literal: bool = False


class Argument(Struct, frozen=True):
    """One name of an ARG; value None where it has no default."""

    name: str
    value: str | None


class Arg(Written, frozen=True, kw_only=True):
    """ARG."""

    arguments: list[Argument]


class Cmd(Written, frozen=True, kw_only=True):
    """CMD."""

    command: CommandLine


class Entrypoint(Written, frozen=True, kw_only=True):
    """ENTRYPOINT."""

    command: CommandLine


class Shell(Written, frozen=True, kw_only=True):
    """SHELL."""

    words: list[str]


class Expose(Written, frozen=True, kw_only=True):
    """EXPOSE."""

    ports: list[str]


class Volume(Written, frozen=True, kw_only=True):
    """VOLUME."""

    paths: list[str]


class User(Written, frozen=True, kw_only=True):
    """USER."""

    user: str


class Workdir(Written, frozen=True, kw_only=True):
    """WORKDIR."""

    path: str


class StopSignal(Written, frozen=True, kw_only=True):
    """STOPSIGNAL."""

    signal: str


class Maintainer(Written, frozen=True, kw_only=True):
    """MAINTAINER."""

    name: str


class OnBuild(Written, frozen=True, kw_only=True):
    """ONBUILD; `trigger` is the instruction, with its heredocs."""

    trigger: str


class HealthCheck(Written, frozen=True, kw_only=True):
    """HEALTHCHECK; `test` is ["NONE"], ["CMD", …] or ["CMD-SHELL", script], times in ns."""

    test: list[str]
    interval: int = 0
    timeout: int = 0
    start_period: int = 0
    start_interval: int = 0
    retries: int = 0


AnyInstruction = (
    From
    | Run
    | Copy
    | Env
    | Label
    | Arg
    | Cmd
    | Entrypoint
    | Shell
    | Expose
    | Volume
    | User
    | Workdir
    | StopSignal
    | Maintainer
    | OnBuild
    | HealthCheck
)

KEYWORDS = (
    "add",
    "arg",
    "cmd",
    "copy",
    "entrypoint",
    "env",
    "expose",
    "from",
    "healthcheck",
    "label",
    "maintainer",
    "onbuild",
    "run",
    "shell",
    "stopsignal",
    "user",
    "volume",
    "workdir",
)
