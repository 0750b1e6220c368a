"""Entry point of the `wharfie` command: global flags, dispatch, errors to exit codes.

Codes: 125 for wrong flags, 1 for wrong arguments and failed commands, else the command's own.
"""

from __future__ import annotations

import os
import sys

from wharfie.cli import commands
from wharfie.cli.context import Context
from wharfie.cli.errors import CommandError
from wharfie.formats.pflag import HelpWanted, Parser, UsageProblem, declare

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wharfie.cli.command import Command
    from wharfie.formats.pflag import Flag, Values

_INTERRUPTED = 130


def global_flags() -> dict[str, Flag]:
    """Return the flags that stand before the verb."""
    folder = os.environ.get("DOCKER_CONFIG") or os.path.join(os.path.expanduser("~"), ".docker")
    certificates = os.environ.get("DOCKER_CERT_PATH") or folder
    return declare(commands.GLOBAL_FLAGS.format(config=folder, certificates=certificates))


def program_name(argv0: str) -> str:
    """Return how messages call us: `docker` when invoked by that name."""
    name = os.path.basename(argv0)
    return "docker" if name in {"docker", "docker.exe"} else "wharfie"


def main(argv: list[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    words = sys.argv if argv is None else argv
    prog = program_name(words[0] if words else "wharfie")
    try:
        code = _run(prog, list(words[1:]))
        sys.stdout.flush()
    except BrokenPipeError:
        return _broken_pipe()
    except KeyboardInterrupt:
        return _INTERRUPTED
    return code


def _broken_pipe() -> int:
    """End as a program does whose reader has gone: without a word."""
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    return 141


def _run(prog: str, argv: list[str]) -> int:
    try:
        values = Parser(global_flags(), interspersed=False).parse(argv)
    except UsageProblem as problem:
        return _usage(prog, f"{prog} [OPTIONS] COMMAND [ARG...]", problem)
    except HelpWanted as wanted:
        return _root_help(prog, wanted)
    if values.on("version"):
        from wharfie import __version__
        from wharfie.cli.commands.version import build_text

        sys.stdout.write(f"{prog.capitalize()} version {__version__}, build {build_text()}\n")
        return 0
    level = values.text("log-level")
    if level not in {"trace", "debug", "info", "warn", "warning", "error", "fatal", "panic"}:
        sys.stderr.write(f"Unable to parse logging level: {level}\n")
        return 1
    if not values.args or values.args == ["help"]:
        return _root_help(prog, None)
    return _dispatch(Context(prog, values), values.args)


def _root_help(prog: str, wanted: HelpWanted | None) -> int:
    from wharfie.cli.listing import root_help
    from wharfie.cli.usage import terminal_width

    _deprecated(wanted)
    sys.stdout.write(root_help(prog, global_flags().values(), terminal_width()))
    return 0


def _deprecated(wanted: HelpWanted | None) -> None:
    if wanted is not None and wanted.shorthand:
        sys.stderr.write("Flag shorthand -h has been deprecated, use --help\n")


def _dispatch(context: Context, words: list[str]) -> int:
    prog = context.prog
    asked_help = words[0] == "help"
    path, rest = commands.find(words[1:] if asked_help else words)
    if not path:
        return _unknown(prog, "", rest[0])
    context.path = f"{prog} {path}"
    if path in commands.GROUPS:
        return _group(prog, path, rest)
    command = commands.load(path)
    if command is None:
        sys.stderr.write(f"{prog}: '{context.path}' is not implemented\n")
        return 1
    from wharfie.cli.command import Command

    assert isinstance(command, Command)
    try:
        values = command.parse(["--help"] if asked_help else rest, context.path)
    except HelpWanted as wanted:
        from wharfie.cli.usage import command_help, terminal_width

        _deprecated(wanted)
        sys.stdout.write(command_help(prog, context.path, command, terminal_width()))
        return 0
    except UsageProblem as problem:
        from wharfie.cli.usage import usage_line

        return _usage(context.path, usage_line(context.path, command), problem, prog)
    return _guarded(context, command, values)


def _guarded(context: Context, command: object, values: object) -> int:
    from wharfie.cli.command import Command
    from wharfie.formats.pflag import Values

    assert isinstance(command, Command)
    assert isinstance(values, Values)
    code = _carried_out(context, command, values)
    if code and context.asked is not None and context.asked.cause:
        from wharfie.cli.doctor.hints import give_hint

        give_hint(context.prog, context.asked)
    return code


def _carried_out(context: Context, command: Command, values: Values) -> int:
    from wharfie.client.errors import ClientError

    try:
        return command.run(context, values)
    except CommandError as error:
        context.write(error.partial)
        context.flush()
        if str(error):
            sys.stderr.write(f"{error}\n")
        return error.code
    except ClientError as error:
        context.flush()
        sys.stderr.write(f"{error}\n")
        return 1


def _group(prog: str, path: str, rest: list[str]) -> int:
    from wharfie.cli.listing import group_help

    flags = [word for word in rest if word.startswith("-") and word not in {"--help", "-h"}]
    if rest and not rest[0].startswith("-"):
        return _unknown(prog, path, rest[0])
    if flags:
        kind = "flag: " if flags[0].startswith("--") else f"shorthand flag: {flags[0][1:2]!r} in "
        problem = UsageProblem(f"unknown {kind}{flags[0]}", code=125)
        return _usage(f"{prog} {path}", f"{prog} {path} COMMAND", problem)
    (sys.stdout if rest else sys.stderr).write(group_help(prog, path))
    return 0


def _unknown(prog: str, path: str, word: str) -> int:
    full = f"{prog} {path}" if path else prog
    usage = f"\nUsage:  {full}\n" if path else ""
    sys.stderr.write(
        f"{prog}: unknown command: {full} {word}\n{usage}\n"
        f"Run '{full} --help' for more information\n"
    )
    if not path and word in {"daemon", "-d"}:
        daemon = "dockerd" if prog == "docker" else "wharfied"
        sys.stderr.write(f"The daemon is a program of its own now: {daemon}\n")
    return 1


def _usage(path: str, line: str, problem: UsageProblem, prog: str = "") -> int:
    sys.stdout.flush()
    prefix = f"{prog}: " if prog and problem.code == 1 else ""
    sys.stderr.write(
        f"{prefix}{problem}\n\nUsage:  {line}\n\n"
        f"{problem.hint} '{path} --help' for more information\n"
    )
    return problem.code


if __name__ == "__main__":
    sys.exit(main())
