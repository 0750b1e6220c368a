"""Tokens to a tree."""

from __future__ import annotations

from wharfie.formats.gotemplate import lexing, nodes
from wharfie.formats.gotemplate.errors import TemplateError
from wharfie.formats.gotemplate.lexing import Lexer, Token

_MAX_DEPTH = 100
_BLOCKS = {"if", "with", "range", "define", "block"}


class Template:
    """A parsed template, with the named templates it defines."""

    __slots__ = ("body", "defined", "name", "source")

    def __init__(self, name: str, source: str) -> None:
        self.name = name
        self.source = source
        self.body: list[nodes.Node] = []
        self.defined: dict[str, list[nodes.Node]] = {}


def parse(source: str, *, functions: frozenset[str], name: str = "") -> Template:
    """Parse a template that may call `functions`.

    Raises:
        TemplateError: `template: name:line: …`, as Go words it.
    """
    template = Template(name, source)
    parser = _Parser(template, Lexer(name, source), functions)
    body, stop = parser.items(0, frozenset())
    assert stop is None
    template.body = body
    return template


class _Parser:
    def __init__(self, template: Template, lexer: Lexer, functions: frozenset[str]) -> None:
        self.template = template
        self.lexer = lexer
        self.functions = functions
        self.tokens = lexer.run()
        self.at = 0
        self.variables: list[str] = ["$"]
        self.loops = 0

    def error(self, token: Token, message: str) -> TemplateError:
        return self.lexer.error(token.pos, message)

    def peek(self) -> Token:
        return self.tokens[self.at]

    def take(self) -> Token:
        token = self.tokens[self.at]
        if token.kind != lexing.END:
            self.at += 1
        return token

    def items(self, depth: int, stops: frozenset[str]) -> tuple[list[nodes.Node], Token | None]:
        """Parse up to one of `stops` (`end`, `else`); return it, its action still open."""
        if depth > _MAX_DEPTH:
            raise self.error(self.peek(), "nested too deeply")
        found: list[nodes.Node] = []
        while True:
            token = self.take()
            if token.kind == lexing.END:
                if stops:
                    raise self.error(token, "unexpected EOF")
                return found, None
            if token.kind == lexing.TEXT:
                found.append(nodes.Text(token.pos, token.text))
                continue
            word = self.peek()
            if word.kind == lexing.WORD and word.text in {"end", "else"}:
                self.take()
                if word.text not in stops:
                    raise self.error(word, f"unexpected {{{{{word.text}}}}}")
                return found, word
            node = self._action(word, depth)
            if node is not None:
                found.append(node)

    def _action(self, word: Token, depth: int) -> nodes.Node | None:
        if word.kind == lexing.WORD:
            if word.text in _BLOCKS:
                self.take()
                return self._block(word, depth)
            if word.text in {"break", "continue"}:
                self.take()
                if not self.loops:
                    raise self.error(word, f"{{{{{word.text}}}}} outside {{{{range}}}}")
                self._close()
                return nodes.Jump(word.pos, word.text)
            if word.text == "template":
                self.take()
                return self._call(word)
        pipe = self._pipe("command", lexing.CLOSE, depth)
        return nodes.Action(word.pos, pipe)

    def _block(self, word: Token, depth: int) -> nodes.Node | None:
        if word.text in {"define", "block"}:
            return self._define(word, depth)
        scope = len(self.variables)
        pipe = self._pipe(word.text, lexing.CLOSE, depth)
        self.loops += word.text == "range"
        body, stop = self.items(depth + 1, frozenset({"end", "else"}))
        self.loops -= word.text == "range"
        otherwise: list[nodes.Node] = []
        if stop is not None and stop.text == "else":
            otherwise = self._else(word, depth)
        else:
            self._close()
        del self.variables[scope:]
        return nodes.Branch(word.pos, word.text, pipe, body, otherwise)

    def _else(self, word: Token, depth: int) -> list[nodes.Node]:
        following = self.peek()
        if following.kind == lexing.WORD and following.text == word.text != "range":
            self.take()
            node = self._block(following, depth + 1)
            return [node] if node is not None else []
        self._close()
        otherwise, _ = self.items(depth + 1, frozenset({"end"}))
        self._close()
        return otherwise

    def _name(self, context: str) -> str:
        token = self.take()
        if token.kind != lexing.STRING:
            raise self.error(token, f"unexpected {_show(token)} in {context}")
        return str(token.value)

    def _call(self, word: Token) -> nodes.Node:
        name = self._name("template clause")
        pipe = None
        if self.peek().kind != lexing.CLOSE:
            pipe = self._pipe("template clause", lexing.CLOSE, 0)
        else:
            self._close()
        return nodes.Call(word.pos, name, pipe)

    def _define(self, word: Token, depth: int) -> nodes.Node | None:
        if word.text == "define" and depth:
            raise self.error(word, "unexpected {{define}}")
        name = self._name(f"{word.text} clause")
        pipe = None
        if word.text == "block":
            pipe = self._pipe("block clause", lexing.CLOSE, depth)
        else:
            self._close()
        kept, self.variables = self.variables, ["$"]
        body, _ = self.items(depth + 1, frozenset({"end"}))
        self._close()
        self.variables = kept
        self.template.defined[name] = body
        return None if pipe is None else nodes.Call(word.pos, name, pipe)

    def _close(self) -> None:
        token = self.take()
        if token.kind != lexing.CLOSE:
            raise self.error(token, f"unexpected {_show(token)} in end")

    def _declared(self, context: str) -> tuple[list[str], bool]:
        """Read `$x :=`, `$x =` or `$i, $x :=` if it stands here."""
        start = self.at
        names: list[str] = []
        while self.peek().kind == lexing.VARIABLE:
            names.append(self.take().text)
            sign = self.peek()
            if sign.kind == lexing.SIGN and sign.text in {":=", "="}:
                self.take()
                if sign.text == ":=":
                    self.variables.extend(names)
                return names, sign.text == "="
            if context == "range" and sign.text == "," and len(names) == 1:
                self.take()
                continue
            break
        self.at = start
        return [], False

    def _pipe(self, context: str, end: str, depth: int) -> nodes.Pipe:
        if depth > _MAX_DEPTH:
            raise self.error(self.peek(), "nested too deeply")
        pos = self.peek().pos
        names, assign = self._declared(context)
        commands: list[nodes.Command] = []
        while True:
            token = self.peek()
            if token.kind == end or (end == ")" and token.text == ")"):
                self.take()
                if not commands:
                    raise self.error(token, f"missing value for {context}")
                self._check_stages(commands)
                return nodes.Pipe(pos, names, commands, assign=assign)
            commands.append(self._command(context, depth))

    def _check_stages(self, commands: list[nodes.Command]) -> None:
        for number, command in enumerate(commands[1:], 2):
            if isinstance(command.args[0], (nodes.Constant, nodes.Dot)):
                token = Token(lexing.WORD, command.pos, "")
                raise self.error(token, f"non executable command in pipeline stage {number}")

    def _command(self, context: str, depth: int) -> nodes.Command:
        pos = self.peek().pos
        args: list[nodes.Node] = []
        while True:
            operand = self._operand(depth)
            if operand is not None:
                args.append(operand)
            token = self.peek()
            if token.kind == lexing.SIGN and token.text == "|":
                self.take()
                if self.peek().kind == lexing.CLOSE:
                    raise self.error(token, f"missing value for {context}")
                break
            if token.kind == lexing.CLOSE or token.text == ")":
                break
            if operand is None or not token.spaced:
                raise self.error(token, f"unexpected {_show(token)} in operand")
        if not args:
            raise self.error(self.peek(), "empty command")
        return nodes.Command(pos, args)

    def _operand(self, depth: int) -> nodes.Node | None:
        node = self._term(depth)
        if node is None:
            return None
        names: list[str] = []
        pos = self.peek().pos
        while self.peek().kind == lexing.FIELD and not self.peek().spaced:
            names.append(self.take().text)
        if not names:
            return node
        if isinstance(node, nodes.Field):
            return nodes.Field(pos, node.names + tuple(names))
        if isinstance(node, nodes.Variable):
            return nodes.Variable(pos, node.name, tuple(names))
        if isinstance(node, nodes.Pipe):
            return nodes.Chain(pos, node, tuple(names))
        raise self.lexer.error(pos, f"unexpected . after term {str(node)!r}".replace("'", '"'))

    def _term(self, depth: int) -> nodes.Node | None:
        token = self.peek()
        kind = token.kind
        if kind == lexing.SIGN and token.text == "(":
            self.take()
            return self._pipe("parenthesized pipeline", ")", depth + 1)
        if kind in {lexing.NUMBER, lexing.STRING, lexing.CHAR}:
            self.take()
            return nodes.Constant(token.pos, token.value, token.text)
        if kind == lexing.DOT:
            self.take()
            return nodes.Dot(token.pos)
        if kind == lexing.FIELD:
            self.take()
            return nodes.Field(token.pos, (token.text,))
        if kind == lexing.VARIABLE:
            self.take()
            if token.text not in self.variables:
                raise self.error(token, f'undefined variable "{token.text}"')
            return nodes.Variable(token.pos, token.text)
        if kind == lexing.WORD:
            self.take()
            return self._word(token)
        return None

    def _word(self, token: Token) -> nodes.Node:
        literals: dict[str, object] = {"nil": None, "true": True, "false": False}
        if token.text in literals:
            return nodes.Constant(token.pos, literals[token.text], token.text)
        if token.text in _BLOCKS | {"end", "else", "template"}:
            raise self.error(token, f"unexpected <{token.text}> in operand")
        if token.text not in self.functions:
            raise self.error(token, f'function "{token.text}" not defined')
        return nodes.Function(token.pos, token.text)


def _show(token: Token) -> str:
    if token.kind == lexing.END:
        return "EOF"
    return f'"{token.text}"'
