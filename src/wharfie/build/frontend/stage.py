"""One stage, instruction by instruction: what it does to config, history and file system."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from msgspec import Struct, field, structs

from wharfie.build.frontend.context import PlanContext, StageResult, made
from wharfie.build.frontend.copying import Copying
from wharfie.build.frontend.linting.rules import Rule
from wharfie.build.frontend.naming import StepNames, shown
from wharfie.build.frontend.program import Stage, range_of
from wharfie.build.frontend.running import Surroundings, run_command, run_operation
from wharfie.build.frontend.scope import ArgumentScope
from wharfie.build.frontend.wording import Wording, describe
from wharfie.engine.images.making.instructions import (
    Variables,
    apply_instruction,
    environment,
)
from wharfie.formats.dockerfile import instructions as kinds
from wharfie.formats.dockerfile.problem import DockerfileProblem
from wharfie.formats.dockerfile.statement import Statement
from wharfie.formats.dockerfile.suggestion import nearest
from wharfie.formats.goquote import go_quote
from wharfie.model.build.graph import FileOp, MakeDirectory, Vertex
from wharfie.model.build.plan import BaseImage, Instruction
from wharfie.model.errors import InvalidArgument
from wharfie.model.image import History, ImageConfig, ImageDocument

_SUGGESTED = 200
"""Names looked at for "did you mean"."""


class Foundation(Struct, frozen=True, kw_only=True):
    """What a stage stands on.

    Attributes:
        document: config and history, before the stage's own.
        image: at the bottom of it, None for scratch.
        declared: arguments of the stage it stands on.
        triggers: ONBUILD instructions to be done first.
        changes: instructions done since that image.
        has_workdir: a WORKDIR of this file is in force.
    """

    root: Vertex | None
    document: ImageDocument
    image: BaseImage | None
    declared: Mapping[str, str | None] = field(default_factory=dict)
    triggers: list[kinds.AnyInstruction] = field(default_factory=list)
    changes: int = 0
    has_workdir: bool = False


class StageBuilder:
    """Walks through one stage."""

    def __init__(
        self,
        stage: Stage,
        foundation: Foundation,
        context: PlanContext,
        *,
        names: StepNames,
        source_of: Callable[[str], Vertex],
        labels: Mapping[str, str],
    ) -> None:
        """Begin.

        Args:
            stage: what to do.
            foundation: what it stands on.
            context: of the plan.
            names: how its steps are called.
            source_of: the file system that a `from` names.
            labels: `--label`, set at its end.
        """
        self._stage = stage
        self._labels = labels
        self._foundation = foundation
        self._context = context
        self._names = names
        self._source_of = source_of
        self._root = foundation.root
        self._document = foundation.document
        self._config = foundation.document.config or ImageConfig()
        self._scope = ArgumentScope(context.given, context.arguments, foundation.declared)
        self._ignores_cache = context.ignores_cache(stage)
        self._has_command = False
        # BuildKit lets an ARG hide an ENV that stands before it, the classic builder does not.
        self._late: dict[str, str] = {}
        self._own_entries: list[str] | None = None
        self._own_variables: dict[str, str] = {}
        self._in_triggers = False
        self._has_workdir = foundation.has_workdir
        self._asked: Variables | None = None
        self._instructions: list[Instruction] = []

    def build(self) -> StageResult:
        """Do all of it.

        Raises:
            DockerfileError: an instruction cannot be; with its lines.
        """
        triggers = self._foundation.triggers
        origin = self._stage.origin
        self._told(origin, self._root, begins_stage=True, triggers=len(triggers))
        self._in_triggers = True
        for trigger in triggers:
            self._do(trigger, is_trigger=True)
        self._in_triggers = False
        for instruction in self._stage.instructions:
            self._do(instruction)
        if self._labels:
            self._label(self._labels)
        return StageResult(
            root=self._root,
            document=self._document,
            base=self._foundation.image,
            declared=self._scope.declared,
            has_workdir=self._has_workdir,
            changes=self._foundation.changes
            + len(triggers)
            + len(self._stage.instructions)
            + len(self._labels),
            instructions=self._instructions,
        )

    def _label(self, labels: Mapping[str, str]) -> None:
        if not self._context.is_classic:
            merged = {**(self._config.labels or {}), **labels}
            self._config = structs.replace(self._config, labels=merged)
            self._document = structs.replace(self._document, config=self._config)
            return
        origin = self._stage.origin.statement
        for key, value in sorted(labels.items()):
            statement = Statement(
                name="LABEL", text=f"LABEL {key}={value}", rest="", start=origin.start
            )
            pair = kinds.KeyValue(key, value)
            self._do(kinds.Label(statement=statement, pairs=[pair], literal=True))

    def _do(self, instruction: kinds.AnyInstruction, *, is_trigger: bool = False) -> None:
        statement = self._stage.origin.statement if is_trigger else instruction.statement
        self._asked = None
        try:
            vertex = self._dispatch(instruction)
        except DockerfileProblem as problem:
            raise self._context.error(str(problem), statement.start, statement.end) from None
        except InvalidArgument as error:
            raise self._context.error(
                self._worded(error.message, instruction), statement.start, statement.end
            ) from None
        if not isinstance(instruction, kinds.Run):
            self._note_undefined(statement)
        self._told(instruction, vertex, is_trigger=is_trigger)

    def _worded(self, message: str, instruction: kinds.AnyInstruction) -> str:
        # The two builders spell the same complaints about ports differently.
        if self._context.is_classic or not message.startswith("Invalid "):
            return message
        worded = message[0].lower() + message[1:]
        if isinstance(instruction, kinds.Expose) and worded.startswith("invalid proto"):
            ports = " ".join(instruction.ports)
            return f"invalid port: {go_quote(ports)}: {worded}"
        return worded

    def _told(
        self,
        instruction: kinds.AnyInstruction,
        vertex: Vertex | None,
        *,
        begins_stage: bool = False,
        triggers: int = 0,
        is_trigger: bool = False,
    ) -> None:
        statement = self._stage.origin.statement if is_trigger else instruction.statement
        self._instructions.append(
            Instruction(
                text=instruction.statement.text.strip(),
                vertex=vertex,
                document=self._document,
                location=range_of(statement),
                begins_stage=begins_stage,
                triggers=triggers,
                is_trigger=is_trigger,
            )
        )

    def _dispatch(self, instruction: kinds.AnyInstruction) -> Vertex | None:
        match instruction:
            case kinds.Run():
                return self._run(instruction)
            case kinds.Copy():
                return self._copy(instruction)
            case kinds.Workdir():
                return self._workdir(instruction)
            case kinds.Arg():
                self._arg(instruction)
            case kinds.Maintainer():
                self._document = structs.replace(self._document, author=instruction.name)
                self._commit(self._config, f"MAINTAINER {instruction.name}")
            case kinds.From():
                raise DockerfileProblem("FROM is not allowed here")
            case _:
                self._configure(instruction)
        return None

    def _own(self) -> dict[str, str]:
        """Variables of the config as it is now."""
        entries = self._config.env
        if entries is not self._own_entries:
            self._own_entries, self._own_variables = entries, environment(self._config)
        return self._own_variables

    def _variables(self) -> dict[str, str]:
        own = self._own()
        return {**self._scope.values(), **own, **self._late}

    def _expansion(self) -> Variables:
        self._asked = Variables(self._variables(), escape=self._context.program.escape)
        return self._asked

    def _note_undefined(self, statement: Statement) -> None:
        if self._asked is None or not self._asked.unmatched:
            return
        known = self._variables()
        for name in sorted(self._asked.unmatched - set(self._scope.declared) - set(known)):
            near = nearest(name, [*known, *self._scope.declared][:_SUGGESTED])
            suggestion = f" (did you mean ${near}?)" if near else ""
            self._context.findings.add(
                Rule.UNDEFINED_VAR,
                f"Usage of undefined variable '${name}'{suggestion}",
                statement,
            )

    def _bare(self, command: list[str]) -> list[str]:
        """`CMD` and nothing: BuildKit gives the shell an empty script."""
        return command if self._context.is_classic else [*command, ""]

    def _commit(self, config: ImageConfig, text: str) -> None:
        entry = self._context.history.config(text, config, author=self._document.author)
        self._settle(config, entry)

    def _settle(self, config: ImageConfig, entry: History) -> None:
        self._config = config
        self._document = structs.replace(
            self._document, config=config, history=[*self._document.history, entry]
        )

    def _configure(self, instruction: kinds.Written) -> None:
        expansion = self._expansion()
        config = apply_instruction(instruction, self._config, expansion)
        match instruction:
            case kinds.Cmd():
                self._has_command = True
                config = structs.replace(config, args_escaped=not self._context.is_classic)
                if instruction.command.in_shell and not instruction.command.words:
                    config = structs.replace(config, cmd=self._bare(config.cmd or []))
            case kinds.Entrypoint() if not self._has_command:
                config = structs.replace(config, cmd=None)
            case kinds.Env(pairs=pairs):
                for pair in pairs:
                    self._late.pop(pair.key, None)
            case kinds.HealthCheck() if self._context.is_classic:
                config = _with_older_times(config, self._config)
            case _:
                pass
        wording = Wording(config, expansion, self._context.is_classic)
        if isinstance(instruction, kinds.OnBuild) and not self._context.is_classic:
            # BuildKit tells history nothing of triggers.
            self._config = config
            self._document = structs.replace(self._document, config=config)
            return
        self._commit(config, describe(instruction, wording))

    def _arg(self, arg: kinds.Arg) -> None:
        expansion = self._expansion()
        own = self._own()
        texts: list[str] = []
        for argument in arg.arguments:
            default = None if argument.value is None else expansion.word(argument.value)
            value = self._scope.declare(argument.name, default, keeps=not self._context.is_classic)
            if not self._context.is_classic and value is not None and argument.name in own:
                self._late[argument.name] = value
            told = default if self._context.is_classic else value
            texts.append(argument.name if told is None else f"{argument.name}={told}")
            if not self._context.is_classic:
                expansion = self._expansion()  # BuildKit lets the next one see it already
        self._commit(self._config, "ARG " + " ".join(texts))

    def _shown(
        self, instruction: kinds.Run | kinds.Copy | kinds.Workdir, variables: dict[str, str]
    ) -> str:
        text = shown(instruction, variables, self._context.program.escape)
        return f"ONBUILD {text}" if self._in_triggers else text

    def _standing(self) -> Vertex:
        """The file system so far, to do something on."""
        return self._context.empty_source() if self._root is None else self._root

    def _run(self, run: kinds.Run) -> Vertex:
        missing = [] if self._context.is_classic else [""]
        command = run_command(run, self._config.shell, missing=missing)
        variables = self._variables()
        own = self._own()
        seen = {name: value for name, value in self._scope.values().items() if name not in own}
        around = Surroundings(
            root=self._standing(),
            environment=_entries({**own, **self._late, **seen}),
            proxies=self._scope.proxies(),
            user=self._config.user,
            directory=self._config.working_dir,
            expand=self._expansion().word,
            source_of=self._source_of,
            cache_namespace=self._context.given.get("BUILDKIT_CACHE_MOUNT_NS", ""),
        )
        operation, inputs = run_operation(run, command, around)
        name = self._names.next(self._shown(run, variables))
        vertex = Vertex(operation, inputs, name=name, ignore_cache=self._ignores_cache)
        told = sorted(_entries(seen))
        if not self._context.is_classic:
            told = [f"{name}={variables.get(name, '')}" for name in self._scope.declared]
        # Proxies are seen, too, but not told.
        saw_some = bool(told) or (self._context.is_classic and bool(around.proxies))
        entry = self._context.history.run(
            command.arguments, told if saw_some else None, author=self._document.author
        )
        return self._layer(vertex, entry)

    def _layer(self, vertex: Vertex, entry: History) -> Vertex:
        self._root = made(vertex)
        self._settle(self._config, entry)
        return vertex

    def _copy(self, copy: kinds.Copy) -> Vertex:
        variables = self._variables()
        copying = Copying(
            copy,
            self._context,
            directory=self._config.working_dir,
            expansion=self._expansion(),
            source_of=self._source_of,
        )
        operation, inputs = copying.operation(self._standing())
        name = self._names.next(self._shown(copy, variables))
        vertex = Vertex(operation, inputs, name=name, ignore_cache=self._ignores_cache)
        texts = copying.texts()
        text = self._context.history.copied(
            "ADD" if copy.is_add else "COPY",
            flags=texts.flags,
            sources=texts.sources,
            destination=texts.destination,
        )
        entry = self._context.history.layer(text, self._config, author=self._document.author)
        return self._layer(vertex, entry)

    def _workdir(self, workdir: kinds.Workdir) -> Vertex | None:
        variables = self._variables()
        written = self._expansion().word(workdir.path)
        if not written and not self._context.is_classic:
            # BuildKit takes nothing for the directory that is in force.
            workdir = structs.replace(workdir, path=".")
        config = apply_instruction(workdir, self._config, self._expansion())
        path = config.working_dir
        if not self._context.is_classic and written.startswith("/") and path != "/":
            # BuildKit keeps an absolute path as it is written.
            config = structs.replace(config, working_dir=written)
        if not self._has_workdir and not workdir.path.startswith("/"):
            self._context.findings.add(
                Rule.WORKDIR_RELATIVE_PATH,
                f"Relative workdir {go_quote(workdir.path)} can have unexpected results if the "
                "base image changes",
                workdir.statement,
            )
        self._has_workdir = True
        entry = self._context.history.directory(
            f"WORKDIR {config.working_dir}",
            self._config,
            author=self._document.author,
            is_root=path == "/",
        )
        self._config = config
        if path == "/":
            self._settle(config, entry)
            return None
        # The classic builder makes the directory for root, BuildKit for the user in force.
        owner = "" if self._context.is_classic else config.user
        operation = FileOp(actions=[MakeDirectory(path=path, owner=owner)])
        name = self._names.next(self._shown(workdir, variables))
        vertex = Vertex(operation, [self._standing()], name=name, ignore_cache=self._ignores_cache)
        return self._layer(vertex, entry)


def _entries(values: Mapping[str, str]) -> list[str]:
    return [f"{name}={value}" for name, value in values.items()]


def _with_older_times(config: ImageConfig, older: ImageConfig) -> ImageConfig:
    """The classic builder passes configs through a container, where zero times inherit."""
    check, before = config.healthcheck, older.healthcheck
    if check is None or before is None:
        return config
    merged = structs.replace(
        check,
        interval=check.interval or before.interval,
        timeout=check.timeout or before.timeout,
        start_period=check.start_period or before.start_period,
        start_interval=check.start_interval or before.start_interval,
        retries=check.retries or before.retries,
    )
    return structs.replace(config, healthcheck=merged)
