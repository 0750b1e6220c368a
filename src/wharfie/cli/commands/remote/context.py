"""`context`: daemons by name, in files shared with Docker's own client."""

from __future__ import annotations

import os

from wharfie.cli.command import Command
from wharfie.cli.commands.formatflags import DOCUMENT, LIST
from wharfie.cli.commands.inspect import show
from wharfie.cli.connection import context_name, described_default
from wharfie.cli.context import Context
from wharfie.cli.contexts.store import (
    DEFAULT,
    DOCKER,
    ContextStore,
    StoredContext,
    check_name,
)
from wharfie.cli.errors import CommandError
from wharfie.cli.output.values import ellipsis, text
from wharfie.cli.relay import write_all
from wharfie.formats.pflag import Values

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_IN_MEMORY = "<IN MEMORY>"
_OVERRIDDEN = (
    "Warning: DOCKER_HOST environment variable overrides the active context. To use {}, either set"
    " the global --context flag, or unset DOCKER_HOST environment variable."
)


def _store(context: Context) -> ContextStore:
    return ContextStore(context.config.directory)


def run_create(context: Context, values: Values) -> int:
    """Store a context."""
    name, store = values.args[0], _store(context)
    check_name(name)
    if store.exists(name):
        raise CommandError(f'context "{name}" already exists')
    given, source = values.pairs("docker"), values.text("from")
    if source and given:
        raise CommandError("cannot use --docker flag when --from is set")
    metadata: Mapping[str, object] = {}
    if given:
        from wharfie.cli.contexts.describing import describe

        try:
            endpoint, tls = describe(store, given)
        except CommandError as error:
            problem = f"unable to create docker endpoint config: {error}"
            raise CommandError(problem) from None
        document: Mapping[str, object] = {"Endpoints": {DOCKER: endpoint}}
        files: Mapping[str, Mapping[str, bytes]] = {DOCKER: tls} if tls else {}
    else:
        origin = source or context_name(context.globals, context.config)
        document, files = _origin(context, store, origin)
        found = document.get("Metadata")
        metadata = found if isinstance(found, dict) else {}
    if values.has("description"):
        metadata = {**metadata, "Description": values.text("description")}
    document = {"Name": name, "Metadata": metadata, "Endpoints": document.get("Endpoints", {})}
    store.save(name, document, files)
    return _done(context, name, "Successfully created")


def _origin(
    context: Context, store: ContextStore, name: str
) -> tuple[Mapping[str, object], Mapping[str, Mapping[str, bytes]]]:
    """Return what a context that is copied says, and its TLS files."""
    if name != DEFAULT:
        stored = store.load(name)
        return stored.document, stored.tls_content()
    endpoint, tls = described_default(context.globals, context.config)
    metadata = {"Description": "Current DOCKER_HOST based configuration"}
    return {"Metadata": metadata, "Endpoints": {DOCKER: endpoint}}, {DOCKER: tls} if tls else {}


def _done(context: Context, name: str, what: str) -> int:
    context.say(name)
    context.note(f'{what} context "{name}"')
    return 0


def run_update(context: Context, values: Values) -> int:
    """Change what a context says."""
    name, store = values.args[0], _store(context)
    check_name(name)
    stored = store.load(name)
    document = dict(stored.document)
    files = None
    if values.has("description"):
        metadata = document.get("Metadata")
        kept = metadata if isinstance(metadata, dict) else {}
        document["Metadata"] = {**kept, "Description": values.text("description")}
    if values.has("docker"):
        from wharfie.cli.contexts.describing import describe

        try:
            endpoint, tls = describe(store, values.pairs("docker"))
        except CommandError as error:
            problem = f"unable to create docker endpoint config: {error}"
            raise CommandError(problem) from None
        endpoints = document.get("Endpoints")
        others = endpoints if isinstance(endpoints, dict) else {}
        document["Endpoints"] = {**others, DOCKER: endpoint}
        files = {k: v for k, v in stored.tls_content().items() if k != DOCKER}
        files |= {DOCKER: dict(tls)} if tls else {}
    store.save(name, document, files)
    return _done(context, name, "Successfully updated")


def run_list(context: Context, values: Values) -> int:
    """Print the contexts."""
    from wharfie.cli.output.contexts import contexts

    current = context_name(context.globals, context.config)
    found = _store(context).all()
    items = [_row(stored, current=current) for stored in found]
    endpoint, _ = described_default(context.globals, context.config)
    items.append(
        {
            "Name": DEFAULT,
            "Description": "Current DOCKER_HOST based configuration",
            "Host": endpoint["Host"],
            "Current": current == DEFAULT,
        }
    )
    if current not in {text(item, "Name") for item in items}:
        items.append(_broken(context, current))
    from wharfie.cli.contexts.store import natural_key

    items.sort(key=lambda item: natural_key(text(item, "Name")))
    source = values.text("format") or "table"
    if values.on("quiet") and not values.has("format"):
        source = "{{.Name}}"
    if values.on("quiet"):
        source = "{{.Name}}"
    context.write(contexts().render(items, source))
    if os.environ.get("DOCKER_HOST") and not values.on("quiet"):
        context.note(_OVERRIDDEN.format("a context"))
    return 0


def _row(stored: StoredContext, *, current: str) -> Mapping[str, object]:
    return {
        "Name": stored.name,
        "Description": stored.description,
        "Host": stored.host,
        "Current": stored.name == current,
    }


def _broken(context: Context, name: str) -> Mapping[str, object]:
    """Return the row of a current context that is not there."""
    row: dict[str, object] = {"Name": name, "Current": True}
    try:
        _store(context).load(name)
    except CommandError as error:
        row["Error"] = ellipsis(str(error), 45)
    return row


def run_inspect(context: Context, values: Values) -> int:
    """Print what contexts say."""
    names = values.args or [context_name(context.globals, context.config)]

    def find(name: str) -> object:
        if name != DEFAULT:
            stored = _store(context).load(name)
            document, tls = stored.document, stored.tls
            places = (stored.meta_path, stored.tls_path)
        else:
            endpoint, files = described_default(context.globals, context.config)
            document = {"Name": DEFAULT, "Endpoints": {DOCKER: endpoint}}
            tls = {DOCKER: sorted(files)} if files else {}
            places = (_IN_MEMORY, _IN_MEMORY)
        return {
            "Name": name,
            "Metadata": document.get("Metadata") or {},
            "Endpoints": document.get("Endpoints") or {},
            "TLSMaterial": tls,
            "Storage": {"MetadataPath": places[0], "TLSPath": places[1]},
        }

    return show(context, names, values.text("format"), find)


def run_use(context: Context, values: Values) -> int:
    """Make a context the current one."""
    name = values.args[0]
    if name != DEFAULT:
        check_name(name)
        _store(context).load(name)
    if context.config.text("currentContext") != ("" if name == DEFAULT else name):
        context.config.save("currentContext", None if name == DEFAULT else name)
    context.say(name)
    context.note(f'Current context is now "{name}"')
    if os.environ.get("DOCKER_HOST") and name != DEFAULT:
        context.note(_OVERRIDDEN.format(f'"{name}"'))
    return 0


def run_show(context: Context, _: Values) -> int:
    """Print the name of the current context."""
    context.say(context_name(context.globals, context.config))
    return 0


def run_rm(context: Context, values: Values) -> int:
    """Remove contexts."""
    store = _store(context)
    current = context_name(context.globals, context.config)
    problems = []
    for name in values.args:
        try:
            _remove(context, store, name, in_use=name == current, force=values.on("force"))
        except CommandError as error:
            problems.append(str(error))
        else:
            context.say(name)
    if problems:
        raise CommandError("\n".join(problems))
    return 0


def _remove(context: Context, store: ContextStore, name: str, *, in_use: bool, force: bool) -> None:
    if name == DEFAULT:
        raise CommandError('context "default" cannot be removed')
    if not store.exists(name) and force:
        return
    if in_use and not force:
        raise CommandError(f'context "{name}" is in use, set -f flag to force remove')
    store.remove(name)
    if context.config.text("currentContext") == name:
        context.config.save("currentContext", None)


def run_export(context: Context, values: Values) -> int:
    """Write a context to an archive."""
    from wharfie.cli.contexts.archive import pack
    from wharfie.client.dialing import error_words

    name = values.args[0]
    target = values.args[1] if len(values.args) > 1 else f"{name}.dockercontext"
    if target == "-" and os.isatty(1):
        raise CommandError("cowardly refusing to export to a terminal, specify a file path")
    if name != DEFAULT:
        data = pack(_store(context).load(name))
    else:
        document, _ = _origin(context, _store(context), DEFAULT)
        data = pack(StoredContext({"Name": DEFAULT, **document}, "", ""))
    if target == "-":
        write_all(1, data)
        return 0
    try:
        # It holds a key: nobody else's eyes, and never through somebody's link.
        handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise CommandError(f"open {target}: {error_words(error)}") from None
    try:
        write_all(handle, data)
    finally:
        os.close(handle)
    context.note(f'Written file "{target}"')
    return 0


def run_import(context: Context, values: Values) -> int:
    """Store a context from an archive."""
    from wharfie.cli.contexts.archive import LARGEST, unpack
    from wharfie.client.dialing import error_words

    name, source = values.args
    store = _store(context)
    check_name(name)
    if store.exists(name):
        raise CommandError(f'context "{name}" already exists')
    try:
        with open(0 if source == "-" else source, "rb", closefd=source != "-") as file:
            data = file.read(LARGEST + 1)
    except OSError as error:
        raise CommandError(f"open {source}: {error_words(error)}") from None
    unpacked = unpack(data)
    store.save(name, unpacked.document, unpacked.tls)
    return _done(context, name, "Successfully imported")


def _long(short: str, verb: str) -> str:
    return f"""{short}

Docker endpoint config:

NAME                DESCRIPTION
from                Copy named context's Docker endpoint configuration
host                Docker endpoint on which to connect
ca                  Trust certs signed only by this CA
cert                Path to TLS certificate file
key                 Path to TLS key file
skip-tls-verify     Skip TLS certificate validation

Example:

$ docker context {verb} my-context --description "some description" --docker \
"host=tcp://myserver:2376,ca=~/ca-file,cert=~/cert-file,key=~/key-file\""""


_CHANGES = """
--description string  Description of the context
--docker stringToString  set the docker endpoint (default [])
"""

CREATE = Command(
    run_create,
    "Create a context",
    "CONTEXT",
    flags=_CHANGES + "--from string  create context from a named context\n",
    least=1,
    most=1,
    long=_long("Create a context", "create"),
)
UPDATE = Command(
    run_update,
    "Update a context",
    "CONTEXT",
    flags=_CHANGES,
    least=1,
    most=1,
    long=_long("Update a context", "update"),
)
LS = Command(
    run_list,
    "List contexts",
    flags=f"{LIST}\n-q, --quiet  Only show context names\n",
    aliases=("context ls", "context list"),
)
INSPECT = Command(
    run_inspect,
    "Display detailed information on one or more contexts",
    "[CONTEXT] [CONTEXT...]",
    flags=DOCUMENT,
    most=None,
)
USE = Command(run_use, "Set the current docker context", "CONTEXT", least=1, most=1)
SHOW = Command(run_show, "Print the name of the current context")
RM = Command(
    run_rm,
    "Remove one or more contexts",
    "CONTEXT [CONTEXT...]",
    flags="-f, --force  Force the removal of a context in use",
    least=1,
    most=None,
    aliases=("context rm", "context remove"),
)
EXPORT = Command(
    run_export,
    "Export a context to a tar archive FILE or a tar stream on STDOUT.",
    "CONTEXT [FILE|-]",
    least=1,
    most=2,
)
IMPORT = Command(
    run_import,
    "Import a context from a tar or zip file",
    "CONTEXT FILE|-",
    least=2,
    most=2,
)
