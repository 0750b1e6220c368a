"""The tree of a parsed template.

Every node knows its position (a character offset) and prints itself as Go does, for error texts.
"""

from __future__ import annotations


class Node:
    """Anything in the tree."""

    __slots__ = ("pos",)

    def __init__(self, pos: int) -> None:
        self.pos = pos


class Text(Node):
    """Literal text."""

    __slots__ = ("text",)

    def __init__(self, pos: int, text: str) -> None:
        super().__init__(pos)
        self.text = text

    def __str__(self) -> str:
        return self.text


class Dot(Node):
    """`.`, the current value."""

    __slots__ = ()

    def __str__(self) -> str:
        return "."


class Constant(Node):
    """A literal: nil, true, a number, a string, a character."""

    __slots__ = ("spelling", "value")

    def __init__(self, pos: int, value: object, spelling: str) -> None:
        super().__init__(pos)
        self.value = value
        self.spelling = spelling

    def __str__(self) -> str:
        return self.spelling


class Field(Node):
    """`.A.B`: fields of the current value."""

    __slots__ = ("names",)

    def __init__(self, pos: int, names: tuple[str, ...]) -> None:
        super().__init__(pos)
        self.names = names

    def __str__(self) -> str:
        return "".join("." + name for name in self.names)


class Variable(Node):
    """`$x.A.B`: a variable, perhaps with fields."""

    __slots__ = ("name", "names")

    def __init__(self, pos: int, name: str, names: tuple[str, ...] = ()) -> None:
        super().__init__(pos)
        self.name = name
        self.names = names

    def __str__(self) -> str:
        return self.name + "".join("." + name for name in self.names)


class Function(Node):
    """A function's name."""

    __slots__ = ("name",)

    def __init__(self, pos: int, name: str) -> None:
        super().__init__(pos)
        self.name = name

    def __str__(self) -> str:
        return self.name


class Chain(Node):
    """`(pipeline).A.B`."""

    __slots__ = ("base", "names")

    def __init__(self, pos: int, base: Pipe, names: tuple[str, ...]) -> None:
        super().__init__(pos)
        self.base = base
        self.names = names

    def __str__(self) -> str:
        return f"({self.base})" + "".join("." + name for name in self.names)


class Command(Node):
    """One stage of a pipeline: an operand, or a function or method with arguments."""

    __slots__ = ("args",)

    def __init__(self, pos: int, args: list[Node]) -> None:
        super().__init__(pos)
        self.args = args

    def __str__(self) -> str:
        return " ".join(f"({arg})" if isinstance(arg, Pipe) else str(arg) for arg in self.args)


class Pipe(Node):
    """Commands joined by `|`, perhaps setting variables."""

    __slots__ = ("assign", "commands", "names")

    def __init__(
        self, pos: int, names: list[str], commands: list[Command], *, assign: bool = False
    ) -> None:
        super().__init__(pos)
        self.names = names
        self.commands = commands
        self.assign = assign

    def __str__(self) -> str:
        head = ""
        if self.names:
            head = ", ".join(self.names) + (" = " if self.assign else " := ")
        return head + " | ".join(str(command) for command in self.commands)


class Action(Node):
    """`{{pipeline}}`."""

    __slots__ = ("pipe",)

    def __init__(self, pos: int, pipe: Pipe) -> None:
        super().__init__(pos)
        self.pipe = pipe

    def __str__(self) -> str:
        return f"{{{{{self.pipe}}}}}"


class Branch(Node):
    """`{{if}}`, `{{with}}` and `{{range}}`, told apart by `word`."""

    __slots__ = ("body", "otherwise", "pipe", "word")

    def __init__(
        self, pos: int, word: str, pipe: Pipe, body: list[Node], otherwise: list[Node]
    ) -> None:
        super().__init__(pos)
        self.word = word
        self.pipe = pipe
        self.body = body
        self.otherwise = otherwise

    def __str__(self) -> str:
        return f"{{{{{self.word} {self.pipe}}}}}"


class Jump(Node):
    """`{{break}}` or `{{continue}}`."""

    __slots__ = ("word",)

    def __init__(self, pos: int, word: str) -> None:
        super().__init__(pos)
        self.word = word

    def __str__(self) -> str:
        return f"{{{{{self.word}}}}}"


class Call(Node):
    """`{{template "name" pipeline}}`."""

    __slots__ = ("name", "pipe")

    def __init__(self, pos: int, name: str, pipe: Pipe | None) -> None:
        super().__init__(pos)
        self.name = name
        self.pipe = pipe

    def __str__(self) -> str:
        return f'{{{{template "{self.name}"}}}}'
