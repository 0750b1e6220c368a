"""`--format`: documents and listings through Go templates.

A listing has named fields; `table` means its default columns, `table TEMPLATE` a table of other
columns, `json` one object per line, anything else a template per item.
"""

from __future__ import annotations

from wharfie.cli.errors import CommandError
from wharfie.cli.output.table import tabulate
from wharfie.formats.gojson import dumps
from wharfie.formats.gotemplate import Record, Struct, Template, TemplateError, execute, parse
from wharfie.formats.gotemplate.functions import NAMES
from wharfie.formats.gotemplate.values import to_plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    Read = Callable[[Mapping[str, object]], object]
    Function = Callable[[list[object]], object]


def _row_json(arguments: list[object]) -> object:
    return dumps(to_plain(arguments[0]), html=isinstance(arguments[0], Record))


_ROW_FUNCTIONS: Mapping[str, Function] = {"json": _row_json}
_HEADER_FUNCTIONS: Mapping[str, Function] = {
    name: lambda arguments: arguments[0] if arguments else ""
    for name in ("json", "title", "lower", "upper", "pad", "truncate", "join", "split", "println")
}


def unescape(text: str) -> str:
    """Turn the two-character spellings of tab and newline into the characters."""
    return text.replace("\\t", "\t").replace("\\n", "\n")


def compile_format(source: str, *, name: str = "", docker_words: str = "") -> Template:
    """Parse a template.

    Raises:
        CommandError: it is broken; `docker_words` goes before the reason.
    """
    try:
        return parse(source, functions=NAMES, name=name)
    except TemplateError as error:
        raise CommandError(f"{docker_words}{error}") from None


def render_document(source: str, document: dict[str, object], *, name: str, kind: str) -> str:
    """Render one document, a newline at its end.

    Args:
        source: `json` or a template.
        document: what is rendered.
        name: the template's name in error texts.
        kind: the Go type that error texts call the document.

    Raises:
        CommandError: it is broken or does not fit.
    """
    if source == "json":
        return dumps(to_plain(document)) + "\n"
    template = compile_format(unescape(source), name=name, docker_words="template parsing error: ")
    return render(template, Struct(document, {}, kind=kind)) + "\n"


def render(template: Template, data: object) -> str:
    """Execute a template.

    Raises:
        CommandError: it does not fit the data.
    """
    try:
        return execute(template, data, functions=_ROW_FUNCTIONS)
    except TemplateError as error:
        raise CommandError(str(error), partial=error.partial + "\n") from None


class Listing:
    """How the items of one kind are listed.

    Args:
        type_name: what error texts call a row.
        columns: the default table.
        fields: name to (header, reader of the item).
        methods: name to a function of the item and the template's arguments.
        hidden: fields left out of `json`.
    """

    def __init__(
        self,
        type_name: str,
        columns: str,
        fields: Mapping[str, tuple[str, Read]],
        *,
        methods: Mapping[str, Callable[[Mapping[str, object], str], object]] | None = None,
        hidden: frozenset[str] = frozenset(),
    ) -> None:
        self.type_name = type_name
        self.columns = columns
        self.fields = fields
        self.methods = methods or {}
        self.hidden = hidden

    def render(self, items: Iterable[Mapping[str, object]], source: str, columns: str = "") -> str:
        """Return the text of a listing.

        Args:
            items: what is listed.
            source: the value of `--format`, `table` for the default.
            columns: replaces the default columns.

        Raises:
            CommandError: the template is broken or does not fit.
        """
        is_table = source.startswith("table")
        body = source.removeprefix("table").strip() if is_table else source
        if is_table and not body:
            body = columns or self.columns
        if body == "json":
            body = "{{json .}}"
        template = compile_format(unescape(body), docker_words="failed to parse template: ")
        try:
            if not is_table:
                return "".join(self._rows(template, items))
            head = execute(template, _Header(self), functions=_HEADER_FUNCTIONS) + "\n"
            return tabulate(head + "".join(self._rows(template, items)))
        except TemplateError as error:
            raise CommandError(f"failed to execute template: {error}") from None

    def _rows(self, template: Template, items: Iterable[Mapping[str, object]]) -> Iterable[str]:
        for item in items:
            yield execute(template, Row(self, item), functions=_ROW_FUNCTIONS) + "\n"


class Row(Record):
    """One item of a listing."""

    __slots__ = ("_item", "_listing")

    def __init__(self, listing: Listing, item: Mapping[str, object]) -> None:
        self._listing = listing
        self._item = item

    @property
    def type_name(self) -> str:
        """The Go type that error texts name."""
        return self._listing.type_name

    def field(self, name: str, arguments: list[object]) -> object:
        """Read a field or call a method."""
        method = self._listing.methods.get(name)
        if method is not None:
            if len(arguments) != 1:
                raise TypeError(f"wrong number of args for {name}: want 1 got {len(arguments)}")
            return method(self._item, str(arguments[0]))
        found = self._listing.fields[name]
        if arguments:
            raise TypeError(f"wrong number of args for {name}: want 0 got {len(arguments)}")
        return found[1](self._item)

    def to_json(self) -> object:
        """Return every field, sorted."""
        listing = self._listing
        return {
            name: listing.fields[name][1](self._item)
            for name in sorted(listing.fields)
            if name not in listing.hidden
        }


class _Header(Record):
    """The row of headers."""

    __slots__ = ("_listing",)

    def __init__(self, listing: Listing) -> None:
        self._listing = listing

    @property
    def type_name(self) -> str:
        """The Go type that error texts name."""
        return self._listing.type_name

    def field(self, name: str, arguments: list[object]) -> object:
        if name in self._listing.methods:
            label = str(arguments[0]).split(".")[-1] if arguments else ""
            return label.replace("-", " ").replace("_", " ")
        return self._listing.fields[name][0]

    def to_json(self) -> object:
        return {name: head for name, (head, _) in self._listing.fields.items()}
