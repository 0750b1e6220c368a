"""Walk a parsed template over data."""

from __future__ import annotations

from wharfie.formats.gotemplate import functions as builtins
from wharfie.formats.gotemplate import nodes
from wharfie.formats.gotemplate.errors import FunctionError, TemplateError
from wharfie.formats.gotemplate.formatting import show
from wharfie.formats.gotemplate.values import NO_VALUE, GoMap, Record, Struct, is_true, kind_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from wharfie.formats.gotemplate.functions import Function
    from wharfie.formats.gotemplate.parsing import Template

_MAX_STEPS = 2_000_000
_MAX_OUTPUT = 64 << 20
_MAX_DEPTH = 60
_NO_FINAL = object()


def execute(
    template: Template, data: object, *, functions: Mapping[str, Function] | None = None
) -> str:
    """Return the template's text over `data`.

    Args:
        template: what `parse` returned.
        data: what the dot is at the start.
        functions: replacements and additions to the built-ins.

    Raises:
        TemplateError: `template: name:line:column: executing "name" at <node>: …`.
    """
    table = builtins.ALL if functions is None else {**builtins.ALL, **functions}
    run = _Run(template, table)
    run.variables.append(("$", data))
    try:
        run.walk(template.body, data, 0)
    except TemplateError as error:
        error.partial = "".join(run.out)
        raise
    return "".join(run.out)


class _Jump(Exception):
    """`break` or `continue` on its way to the loop."""

    def __init__(self, word: str) -> None:
        super().__init__(word)
        self.word = word


class _Run:
    def __init__(self, template: Template, functions: Mapping[str, Function]) -> None:
        self.template = template
        self.functions = functions
        self.out: list[str] = []
        self.size = 0
        self.steps = 0
        self.variables: list[tuple[str, object]] = []

    def error(self, node: nodes.Node, message: str) -> TemplateError:
        source, name = self.template.source, self.template.name
        line = source.count("\n", 0, node.pos) + 1
        column = node.pos - (source.rfind("\n", 0, node.pos) + 1)
        text = str(node)
        if len(text) > 20:
            text = text[:20] + "..."
        where = f"template: {name}:{line}:{column}: executing {name!r} at <{text}>"
        return TemplateError(where.replace("''", '""').replace("'", '"') + f": {message}")

    def write(self, text: str, node: nodes.Node) -> None:
        self.size += len(text)
        if self.size > _MAX_OUTPUT:
            raise self.error(node, "output too long")
        self.out.append(text)

    def walk(self, body: list[nodes.Node], dot: object, depth: int) -> None:
        if depth > _MAX_DEPTH:
            raise self.error(body[0], "exceeded maximum template depth")
        for node in body:
            self.step(node)
            if isinstance(node, nodes.Text):
                self.write(node.text, node)
            elif isinstance(node, nodes.Action):
                value = self.pipe(node.pipe, dot)
                if not node.pipe.names:
                    self.write(show(value), node)
            elif isinstance(node, nodes.Branch):
                self.branch(node, dot, depth)
            elif isinstance(node, nodes.Jump):
                raise _Jump(node.word)
            elif isinstance(node, nodes.Call):
                self.call(node, dot, depth)

    def step(self, node: nodes.Node) -> None:
        self.steps += 1
        if self.steps > _MAX_STEPS:
            raise self.error(node, "template runs too long")

    def call(self, node: nodes.Call, dot: object, depth: int) -> None:
        body = self.template.defined.get(node.name)
        if body is None:
            raise self.error(node, f'template "{node.name}" not defined')
        value = self.pipe(node.pipe, dot) if node.pipe is not None else None
        kept, self.variables = self.variables, [("$", value)]
        self.walk(body, value, depth + 1)
        self.variables = kept

    def branch(self, node: nodes.Branch, dot: object, depth: int) -> None:
        scope = len(self.variables)
        try:
            if node.word == "range":
                self.range(node, dot, depth)
                return
            value = self.pipe(node.pipe, dot)
            inner = value if node.word == "with" else dot
            if is_true(value):
                self.walk(node.body, inner, depth + 1)
            else:
                self.walk(node.otherwise, dot, depth + 1)
        finally:
            del self.variables[scope:]

    def range(self, node: nodes.Branch, dot: object, depth: int) -> None:
        scope = len(self.variables)
        value = self.pipe(node.pipe, dot, declare=False)
        looped = False
        for key, item in self._elements(node, value):
            looped = True
            del self.variables[scope:]
            self._bind(node.pipe, key, item)
            self.step(node)
            try:
                self.walk(node.body, item, depth + 1)
            except _Jump as jump:
                if jump.word == "break":
                    break
        del self.variables[scope:]
        if not looped:
            self.walk(node.otherwise, dot, depth + 1)

    def _bind(self, pipe: nodes.Pipe, key: object, item: object) -> None:
        values = [item] if len(pipe.names) == 1 else [key, item]
        for name, value in zip(pipe.names, values, strict=False):
            if pipe.assign:
                self.assign(name, value)
            else:
                self.variables.append((name, value))

    def _elements(self, node: nodes.Branch, value: object) -> Iterator[tuple[object, object]]:
        if isinstance(value, list):
            yield from enumerate(value)
        elif isinstance(value, dict):
            for key in sorted(value):
                yield key, value[key]
        elif isinstance(value, int) and not isinstance(value, bool):
            for number in range(value):
                yield number, number
        elif value is not None and value is not NO_VALUE:
            raise self.error(node.pipe, f"range can't iterate over {show(value)}")

    def assign(self, name: str, value: object) -> None:
        for index in range(len(self.variables) - 1, -1, -1):
            if self.variables[index][0] == name:
                self.variables[index] = (name, value)
                return

    def pipe(self, pipe: nodes.Pipe, dot: object, *, declare: bool = True) -> object:
        value: object = _NO_FINAL
        for command in pipe.commands:
            value = self.command(command, dot, value)
        if declare:
            for name in pipe.names:
                if pipe.assign:
                    self.assign(name, value)
                else:
                    self.variables.append((name, value))
        return value

    def command(self, command: nodes.Command, dot: object, final: object) -> object:
        self.step(command)
        first = command.args[0]
        if isinstance(first, nodes.Function):
            return self.function(first, command, dot, final)
        rest = [self.operand(arg, dot) for arg in command.args[1:]]
        if final is not _NO_FINAL:
            rest.append(final)
        if isinstance(first, nodes.Field):
            return self.fields(first, dot, first.names, rest)
        if isinstance(first, nodes.Chain):
            return self.fields(first, self.pipe(first.base, dot), first.names, rest)
        if isinstance(first, nodes.Variable) and first.names:
            return self.fields(first, self.variable(first), first.names, rest)
        if rest:
            raise self.error(first, f"can't give argument to non-function {first}")
        if isinstance(first, nodes.Constant) and first.value is None:
            raise self.error(first, "nil is not a command")
        return self.operand(first, dot)

    def operand(self, node: nodes.Node, dot: object) -> object:
        if isinstance(node, nodes.Dot):
            return dot
        if isinstance(node, nodes.Constant):
            return node.value
        if isinstance(node, nodes.Field):
            return self.fields(node, dot, node.names, [])
        if isinstance(node, nodes.Variable):
            return self.fields(node, self.variable(node), node.names, [])
        if isinstance(node, nodes.Pipe):
            return self.pipe(node, dot)
        if isinstance(node, nodes.Chain):
            return self.fields(node, self.pipe(node.base, dot), node.names, [])
        if isinstance(node, nodes.Function):
            return self.function(node, nodes.Command(node.pos, [node]), dot, _NO_FINAL)
        raise self.error(node, "can't handle this operand")

    def variable(self, node: nodes.Variable) -> object:
        for name, value in reversed(self.variables):
            if name == node.name:
                return value
        raise self.error(node, f"undefined variable: {node.name}")

    def function(
        self, node: nodes.Function, command: nodes.Command, dot: object, final: object
    ) -> object:
        if node.name in builtins.LAZY:
            return self.lazy(node, command, dot, final)
        arguments = [self.operand(arg, dot) for arg in command.args[1:]]
        if final is not _NO_FINAL:
            arguments.append(final)
        function = self.functions.get(node.name)
        if function is None:
            raise self.error(node, f'"{node.name}" is not a defined function')
        try:
            return function(arguments)
        except FunctionError as error:
            raise self.error(node, str(error)) from None

    def lazy(
        self, node: nodes.Function, command: nodes.Command, dot: object, final: object
    ) -> object:
        """`and` and `or` stop at the first argument that decides."""
        value: object = _NO_FINAL
        for arg in command.args[1:]:
            value = self.operand(arg, dot)
            if is_true(value) == (node.name == "or"):
                return value
        if final is not _NO_FINAL:
            value = final
        if value is _NO_FINAL:
            raise self.error(node, f"wrong number of args for {node.name}: want at least 1 got 0")
        return value

    def fields(
        self, node: nodes.Node, value: object, names: tuple[str, ...], arguments: list[object]
    ) -> object:
        for number, name in enumerate(names, 1):
            last = number == len(names)
            value = self.field(node, value, name, arguments if last else [])
        return value

    def missing(self, node: nodes.Node, value: dict[str, object], name: str) -> object:
        """Return what a key that is not there stands for."""
        if isinstance(value, GoMap):
            return NO_VALUE
        if isinstance(value, Struct) and name in value.optional:
            return value.optional[name]
        if isinstance(value, Struct) and value.kind:
            raise self.error(node, f"can't evaluate field {name} in type {value.kind}")
        raise self.error(node, f'map has no entry for key "{name}"')

    def field(self, node: nodes.Node, value: object, name: str, arguments: list[object]) -> object:
        if isinstance(value, Record):
            try:
                return value.field(name, arguments)
            except KeyError:
                kind = kind_name(value)
                raise self.error(node, f"can't evaluate field {name} in type {kind}") from None
            except TypeError as error:
                raise self.error(node, str(error)) from None
        if isinstance(value, dict):
            if arguments:
                raise self.error(node, f"{name} is not a method but has arguments")
            return value[name] if name in value else self.missing(node, value, name)
        if value is None or value is NO_VALUE:
            raise self.error(node, f"nil pointer evaluating interface {{}}.{name}")
        raise self.error(node, f"can't evaluate field {name} in type {kind_name(value)}")
