"""The verbs on volumes."""

from __future__ import annotations

from wharfie.cli.command import Command
from wharfie.cli.commands.formatflags import LIST, chosen
from wharfie.cli.context import Context
from wharfie.cli.creation import checks, envfile
from wharfie.cli.errors import CommandError
from wharfie.cli.output.resources import volumes
from wharfie.cli.output.values import objects, text
from wharfie.client.daemon import escape
from wharfie.client.errors import ClientError
from wharfie.formats.gojson import dumps
from wharfie.formats.pflag import Values

_CREATE = """
%--availability string  Cluster Volume availability ("active", "pause", "drain") (default "active")
-d, --driver string  Specify volume driver name (default "local")
%--group string  Cluster Volume group (cluster volumes)
--label list  Set metadata for a volume
%--limit-bytes bytes  Minimum size of the Cluster Volume in bytes
-o, --opt map  Set driver specific options (default map[])
%--required-bytes bytes  Maximum size of the Cluster Volume in bytes
%--scope string  Cluster Volume access scope ("single", "multi") (default "single")
%--secret map  Cluster Volume secrets (default map[])
%--sharing string  Cluster Volume access sharing ("none", "readonly", "onewriter", "all") (default "none")
%--topology-preferred list  A topology that the Cluster Volume would be preferred in
%--topology-required list  A topology that the Cluster Volume must be accessible from
%--type string  Cluster Volume access type ("mount", "block") (default "block")
"""  # noqa: E501
_CLUSTER = (
    "availability", "group", "limit-bytes", "required-bytes", "scope", "secret", "sharing",
    "topology-preferred", "topology-required", "type",
)  # fmt: skip


def run_create(context: Context, flags: Values) -> int:
    """Create a volume; print its name."""
    for flag in _CLUSTER:
        if flags.has(flag):
            raise CommandError(f"cluster volumes are not supported: --{flag}")
    body: dict[str, object] = {"Driver": flags.text("driver")}
    if flags.pairs("opt"):
        body["DriverOpts"] = flags.pairs("opt")
    if flags.items("label"):
        body["Labels"] = envfile.to_map(flags.items("label"))
    if flags.args:
        body["Name"] = flags.args[0]
    found = context.client.json("POST", "/volumes/create", body=body)
    context.say(text(found, "Name") if isinstance(found, dict) else "")
    return 0


def run_list(context: Context, flags: Values) -> int:
    """Print the volumes, sorted by name."""
    if flags.on("cluster"):
        raise CommandError("cluster volumes are not supported")
    source = chosen(context, flags, "volumesFormat")
    filters = flags.filters("filter")
    query = {"filters": dumps(filters)} if filters else {}
    document = context.client.json("GET", "/volumes", query=query)
    found = objects(document.get("Volumes")) if isinstance(document, dict) else []
    found.sort(key=lambda item: text(item, "Name"))
    if flags.on("quiet") and source == "table":
        source = "{{.Name}}"
    context.write(volumes().render(found, source))
    return 0


def run_rm(context: Context, flags: Values) -> int:
    """Remove volumes."""
    query = {"force": "1"} if flags.on("force") else {}
    problems = []
    for name in flags.args:
        try:
            context.client.done("DELETE", f"/volumes/{escape(name)}", query=query)
        except ClientError as error:
            problems.append(str(error))
        else:
            context.say(name)
    if problems:
        raise CommandError("\n".join(problems))
    return 0


CREATE = Command(
    run_create,
    "Create a volume",
    "[VOLUME]",
    flags=_CREATE,
    most=1,
    checks={"label": checks.label},
)
LS = Command(
    run_list,
    "List volumes",
    flags=f"""
    --cluster  Display only cluster volumes, and use cluster volume list formatting
    -f, --filter filter  Provide filter values (e.g. "dangling=true")
    {LIST}
    -q, --quiet  Only display volume names
    """,
    aliases=("volume ls", "volume list"),
)
RM = Command(
    run_rm,
    "Remove one or more volumes",
    "VOLUME [VOLUME...]",
    flags="-f, --force  Force the removal of one or more volumes",
    least=1,
    most=None,
    aliases=("volume rm", "volume remove"),
    long="Remove one or more volumes. You cannot remove a volume that is in use by a container.",
)
