"""`inspect`: the daemon's documents, whole or through a template."""

from __future__ import annotations

from wharfie.cli.command import Command
from wharfie.cli.commands.formatflags import DOCUMENT
from wharfie.cli.context import Context
from wharfie.cli.errors import CommandError
from wharfie.client.daemon import escape
from wharfie.client.errors import ClientError, NotFound
from wharfie.formats.gojson import dumps
from wharfie.formats.pflag import Values

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Find = Callable[[str], object]

_SIZE = "-s, --size  Display total file sizes\n"
_PLATFORM = """
--platform string  Inspect a specific platform of the multi-platform image.
|If the image or the server is not multi-platform capable, the command will error out if the platform does not match.
|'os[/arch[/variant]]': Explicit platform (eg. linux/amd64)
"""  # noqa: E501


def show(context: Context, names: list[str], source: str, find: Find) -> int:
    """Print the documents of all names; what is missing is an error after what was found.

    Args:
        context: where to print and whom to ask.
        names: what to look for.
        source: a template, `json`, or empty for the indented list.
        find: returns the document of a name.
    """
    found: list[object] = []
    problems: list[str] = []
    template = None
    if source and source != "json":
        from wharfie.cli.output.template import compile_format, unescape

        template = compile_format(unescape(source), docker_words="template parsing error: ")
    for name in names:
        try:
            found.append(find(name))
        except (ClientError, CommandError) as error:
            problems.append(str(error))
    if template is not None:
        from wharfie.cli.output.documents import typed
        from wharfie.formats.gotemplate import TemplateError, execute

        for document in found:
            try:
                context.write(execute(template, typed(document)) + "\n")
            except TemplateError as error:
                context.write(error.partial + "\n")
                problems.append(f"template parsing error: {error}")
                break
        if not found:
            context.write("\n")
    elif source == "json":
        context.say(dumps(found))
    else:
        context.say(dumps(found, indent="    ", html=True) if found else "[]")
    if problems:
        raise CommandError("\n".join(problems))
    return 0


def _containers(context: Context, *, size: bool) -> Find:
    query = {"size": "1"} if size else {}
    return lambda name: context.client.json("GET", f"/containers/{escape(name)}/json", query=query)


def _images(context: Context, platform: str = "") -> Find:
    query = {}
    if platform:
        from wharfie.cli.commands.image import platform_json

        query["platform"] = platform_json(platform)
    return lambda name: context.client.json(
        "GET", f"/images/{escape(name, '/:@')}/json", query=query
    )


def _networks(context: Context, *, verbose: bool) -> Find:
    query = {"verbose": "true"} if verbose else {}
    return lambda name: context.client.json("GET", f"/networks/{escape(name)}", query=query)


def _volumes(context: Context) -> Find:
    return lambda name: context.client.json("GET", f"/volumes/{escape(name)}")


def run_container(context: Context, flags: Values) -> int:
    """Inspect containers."""
    find = _containers(context, size=flags.on("size"))
    return show(context, flags.args, flags.text("format"), find)


def run_image(context: Context, flags: Values) -> int:
    """Inspect images."""
    find = _images(context, flags.text("platform"))
    return show(context, flags.args, flags.text("format"), find)


def run_network(context: Context, flags: Values) -> int:
    """Inspect networks."""
    find = _networks(context, verbose=flags.on("verbose"))
    return show(context, flags.args, flags.text("format"), find)


def run_volume(context: Context, flags: Values) -> int:
    """Inspect volumes."""
    return show(context, flags.args, flags.text("format"), _volumes(context))


_TYPES = (
    "config", "container", "image", "network", "node", "plugin", "secret", "service", "task",
    "volume",
)  # fmt: skip


def _check_type(kind: str, finders: Mapping[str, Find]) -> None:
    choice = 'must be one of "' + '", "'.join(_TYPES) + '"'
    if not kind:
        raise CommandError(f"type is empty: {choice}")
    if kind not in _TYPES:
        raise CommandError(f'unknown type: "{kind}": {choice}')
    if kind not in finders:
        raise CommandError(f"inspecting objects of type {kind} is not supported")


def run_any(context: Context, flags: Values) -> int:
    """Inspect whatever has the name: container, image, network or volume, in this order."""
    kind = flags.text("type")
    finders: Mapping[str, Find] = {
        "container": _containers(context, size=flags.on("size")),
        "image": _images(context),
        "network": _networks(context, verbose=False),
        "volume": _volumes(context),
    }
    if flags.has("type"):
        _check_type(kind, finders)
        return show(context, flags.args, flags.text("format"), finders[kind])

    def first(name: str) -> object:
        for find in finders.values():
            try:
                return find(name)
            except NotFound:
                continue
        raise CommandError(f"Error: No such object: {name}")

    return show(context, flags.args, flags.text("format"), first)


def _command(
    run: Callable[[Context, Values], int], plural: str, form: str, flags: str = ""
) -> Command:
    return Command(
        run,
        f"Display detailed information on one or more {plural}",
        f"{form} [{form}...]",
        flags=DOCUMENT + flags,
        least=1,
        most=None,
    )


CONTAINER = _command(run_container, "containers", "CONTAINER", _SIZE)
IMAGE = _command(run_image, "images", "IMAGE", _PLATFORM)
NETWORK = _command(
    run_network, "networks", "NETWORK", "-v, --verbose  Verbose output for diagnostics"
)
VOLUME = _command(run_volume, "volumes", "VOLUME")
ANY = Command(
    run_any,
    "Return low-level information on Docker objects",
    "NAME|ID [NAME|ID...]",
    flags=DOCUMENT
    + """
    -s, --size  Display total file sizes if the type is container
    --type string  Only inspect objects of the given type
    """,
    least=1,
    most=None,
)
