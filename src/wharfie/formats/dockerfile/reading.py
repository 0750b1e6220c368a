"""Statements to instructions: each with its own rules for arguments and flags.

Source: Dockerfile reference; BuildKit frontend/dockerfile/instructions for the words of errors.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from wharfie.formats.dockerfile import instructions as kinds
from wharfie.formats.dockerfile.flags import Flags
from wharfie.formats.dockerfile.healthcheck import read_healthcheck
from wharfie.formats.dockerfile.heredocs import Heredoc, heredoc_of
from wharfie.formats.dockerfile.jsonform import json_words
from wharfie.formats.dockerfile.problem import DockerfileProblem
from wharfie.formats.dockerfile.statement import Statement
from wharfie.formats.dockerfile.suggestion import did_you_mean
from wharfie.formats.dockerfile.words import BLANKS, split_blanks, split_words

_STAGE_NAME = re.compile(r"[a-z][a-z0-9-_.]*")
_FROM_VARIABLE = re.compile(r"(?:^|,)\s*\"?from=[^,]*\$", re.IGNORECASE)
_NETWORKS = ("default", "none", "host")
_SECURITIES = ("sandbox", "insecure")


def read_instruction(statement: Statement, escape: str = "\\") -> kinds.AnyInstruction:
    """Give a statement its meaning.

    Raises:
        DockerfileProblem: an unknown instruction, or arguments it does not take; with its lines.
    """
    reader = _READERS.get(statement.keyword, _unknown)
    try:
        return reader(statement, escape)
    except DockerfileProblem as problem:
        raise problem.at(statement.start, statement.end) from None


def _unknown(statement: Statement, _: str) -> kinds.AnyInstruction:
    spelled = str.lower if statement.name.islower() else str.upper
    options = [spelled(keyword) for keyword in kinds.KEYWORDS]
    near = did_you_mean(statement.name, options)
    raise DockerfileProblem(f"unknown instruction: {statement.name[:80]}{near}")


def _at_least_one(name: str) -> DockerfileProblem:
    return DockerfileProblem(f"{name} requires at least one argument")


def _one(statement: Statement) -> str:
    """The only argument, which may hold blanks."""
    if not statement.rest:
        raise DockerfileProblem(f"{statement.name.upper()} requires exactly one argument")
    Flags(statement.flags)
    return statement.rest


def _command(statement: Statement) -> kinds.CommandLine:
    words = json_words(statement.rest)
    if words is not None:
        return kinds.CommandLine(words=words, in_shell=False)
    return kinds.CommandLine(words=[statement.rest] if statement.rest else [], in_shell=True)


def _words_or_json(statement: Statement) -> list[str]:
    words = json_words(statement.rest)
    return split_blanks(statement.rest) if words is None else words


def _from(statement: Statement, _: str) -> kinds.From:
    words = split_blanks(statement.rest)
    alias = as_keyword = ""
    if len(words) == 3 and words[1].lower() == "as":
        as_keyword, alias = words[1:]
        if not _STAGE_NAME.fullmatch(alias.lower()):
            raise DockerfileProblem(
                f'invalid name for build stage: "{alias[:80]}", '
                "name can't start with a number or contain symbols"
            )
    elif len(words) != 1:
        raise DockerfileProblem("FROM requires either one or three arguments")
    flags = Flags(statement.flags, texts=["platform"])
    return kinds.From(
        statement=statement,
        base=words[0],
        name=alias.lower(),
        alias=alias,
        platform=flags.text("platform"),
        as_keyword=as_keyword,
    )


def _run(statement: Statement, _: str) -> kinds.Run:
    flags = Flags(statement.flags, texts=["network", "security"], lists=["mount", "device"])
    network = flags.text("network")
    if network and network not in _NETWORKS:
        raise DockerfileProblem(f'invalid network mode "{network[:80]}"')
    security = flags.text("security")
    if security and security not in _SECURITIES:
        raise DockerfileProblem(f'security "{security[:80]}" is not valid')
    for mount in flags.texts("mount"):
        if _FROM_VARIABLE.search(mount):
            raise DockerfileProblem(
                "'from' doesn't support variable expansion, define alias stage instead"
            )
    command = _command(statement)
    return kinds.Run(
        statement=statement,
        command=command,
        mounts=flags.texts("mount"),
        network=network,
        security=security,
        devices=flags.texts("device"),
        heredocs=statement.heredocs,
    )


_COPY_TEXTS = ("chown", "chmod")
_COPY_SWITCHES = ("link", "parents")


def _copy(statement: Statement, _: str) -> kinds.Copy:
    is_add = statement.keyword == "add"
    words = _words_or_json(statement)
    if len(words) < 2:
        raise DockerfileProblem(
            f"{statement.name.upper()} requires at least two arguments, but only one was "
            "provided. Destination could not be determined"
        )
    own_texts, own_switches = (
        (("checksum",), ("keep-git-dir", "unpack")) if is_add else (("from",), ())
    )
    flags = Flags(
        statement.flags,
        texts=(*_COPY_TEXTS, *own_texts),
        lists=("exclude",),
        switches=(*_COPY_SWITCHES, *own_switches),
    )
    sources, heredocs = _sources(statement, words)
    return kinds.Copy(
        statement=statement,
        is_add=is_add,
        sources=sources,
        destination=words[-1],
        heredocs=heredocs,
        from_=flags.text("from"),
        owner=flags.text("chown"),
        mode=flags.text("chmod"),
        checksum=flags.text("checksum"),
        exclude=flags.texts("exclude"),
        linked=flags.switch("link") or False,
        parents=flags.switch("parents") or False,
        keep_git_dir=flags.switch("keep-git-dir"),
        unpack=flags.switch("unpack"),
    )


def _sources(statement: Statement, words: list[str]) -> tuple[list[str], list[Heredoc]]:
    contents = {heredoc.name: heredoc for heredoc in statement.heredocs}
    if contents and heredoc_of(words[-1]) is not None:
        raise DockerfileProblem(
            f"{statement.name.upper()} cannot accept a heredoc as a destination"
        )
    sources: list[str] = []
    heredocs: list[Heredoc] = []
    for word in words[:-1]:
        mark = heredoc_of(word) if contents else None
        if mark is not None and mark.name in contents:
            heredocs.append(contents[mark.name])
        else:
            sources.append(word)
    return sources, heredocs


def _pairs(statement: Statement, escape: str) -> list[kinds.KeyValue]:
    """`k=v k2="v 2"`, or the old `k v`."""
    name = statement.name.upper()
    words = split_words(statement.rest, escape)
    if not words:
        raise _at_least_one(name)
    if "=" not in words[0]:
        parts = BLANKS.split(statement.rest, maxsplit=1)
        if len(parts) < 2:
            raise DockerfileProblem(f"{name} must have two arguments", is_grammar=True)
        return [kinds.KeyValue(parts[0], parts[1], legacy=True)]
    pairs: list[kinds.KeyValue] = []
    for word in words:
        key, equals, value = word.partition("=")
        if not equals:
            raise DockerfileProblem(
                f'Syntax error - can\'t find = in "{word[:80]}". Must be of the form: name=value',
                is_grammar=True,
            )
        if not key:
            raise DockerfileProblem(f"{name} names can not be blank")
        pairs.append(kinds.KeyValue(key, value))
    return pairs


def _env(statement: Statement, escape: str) -> kinds.Env:
    Flags(statement.flags)
    return kinds.Env(statement=statement, pairs=_pairs(statement, escape))


def _label(statement: Statement, escape: str) -> kinds.Label:
    Flags(statement.flags)
    return kinds.Label(statement=statement, pairs=_pairs(statement, escape))


def _arg(statement: Statement, escape: str) -> kinds.Arg:
    words = split_words(statement.rest, escape)
    if not words:
        raise _at_least_one("ARG")
    Flags(statement.flags)
    arguments: list[kinds.Argument] = []
    for word in words:
        name, equals, value = word.partition("=")
        if not name:
            raise DockerfileProblem("ARG names can not be blank")
        arguments.append(kinds.Argument(name, value if equals else None))
    return kinds.Arg(statement=statement, arguments=arguments)


def _cmd(statement: Statement, _: str) -> kinds.Cmd:
    Flags(statement.flags)
    return kinds.Cmd(statement=statement, command=_command(statement))


def _entrypoint(statement: Statement, _: str) -> kinds.Entrypoint:
    Flags(statement.flags)
    return kinds.Entrypoint(statement=statement, command=_command(statement))


def _shell(statement: Statement, _: str) -> kinds.Shell:
    Flags(statement.flags)
    words = json_words(statement.rest)
    if words is None:
        raise DockerfileProblem("SHELL requires the arguments to be in JSON form")
    if not words:
        raise _at_least_one("SHELL")
    return kinds.Shell(statement=statement, words=words)


def _expose(statement: Statement, _: str) -> kinds.Expose:
    ports = split_blanks(statement.rest)
    if not ports:
        raise _at_least_one("EXPOSE")
    Flags(statement.flags)
    return kinds.Expose(statement=statement, ports=sorted(ports))


def _volume(statement: Statement, _: str) -> kinds.Volume:
    paths = _words_or_json(statement)
    if not paths:
        raise _at_least_one("VOLUME")
    Flags(statement.flags)
    if not all(path.strip() for path in paths):
        raise DockerfileProblem("VOLUME specified can not be an empty string")
    return kinds.Volume(statement=statement, paths=[path.strip() for path in paths])


def _user(statement: Statement, _: str) -> kinds.User:
    return kinds.User(statement=statement, user=_one(statement))


def _workdir(statement: Statement, _: str) -> kinds.Workdir:
    return kinds.Workdir(statement=statement, path=_one(statement))


def _stop_signal(statement: Statement, _: str) -> kinds.StopSignal:
    return kinds.StopSignal(statement=statement, signal=_one(statement))


def _maintainer(statement: Statement, _: str) -> kinds.Maintainer:
    return kinds.Maintainer(statement=statement, name=_one(statement))


def _on_build(statement: Statement, _: str) -> kinds.OnBuild:
    # Flags before the trigger are ONBUILD's, which has none; the trigger's own come after it.
    Flags(statement.flags)
    word = BLANKS.split(statement.rest, maxsplit=1)[0].upper()
    if not word:
        raise _at_least_one("ONBUILD")
    if word == "ONBUILD":
        raise DockerfileProblem("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed")
    if word in ("MAINTAINER", "FROM"):
        raise DockerfileProblem(f"{word} isn't allowed as an ONBUILD trigger")
    trigger = statement.rest
    for heredoc in statement.heredocs:
        trigger += f"\n{heredoc.content}{heredoc.name}"
    return kinds.OnBuild(statement=statement, trigger=trigger)


_READERS: dict[str, Callable[[Statement, str], kinds.AnyInstruction]] = {
    "add": _copy,
    "arg": _arg,
    "cmd": _cmd,
    "copy": _copy,
    "entrypoint": _entrypoint,
    "env": _env,
    "expose": _expose,
    "from": _from,
    "healthcheck": read_healthcheck,
    "label": _label,
    "maintainer": _maintainer,
    "onbuild": _on_build,
    "run": _run,
    "shell": _shell,
    "stopsignal": _stop_signal,
    "user": _user,
    "volume": _volume,
    "workdir": _workdir,
}
