"""Template text to tokens.

A token is text between actions, or one word inside `{{ }}`. `spaced` says that white space stood
before it: Go's grammar needs that to tell `.A.B` from `.A .B`.
"""

from __future__ import annotations

from wharfie.formats.gotemplate.errors import TemplateError

TEXT, OPEN, CLOSE, FIELD, DOT, VARIABLE, WORD, NUMBER, STRING, CHAR, SIGN, END = (
    "text",
    "open",
    "close",
    "field",
    "dot",
    "variable",
    "word",
    "number",
    "string",
    "char",
    "sign",
    "end",
)

MAX_TEMPLATE = 1 << 20
_SPACE = " \t\r\n"
_SIMPLE = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", "'": "'", '"': '"'}
_SIMPLE |= {"a": "\a", "b": "\b", "f": "\f", "v": "\v"}
_CODED = {"x": 2, "u": 4, "U": 8}


class Token:
    """One token."""

    __slots__ = ("kind", "pos", "spaced", "text", "value")

    def __init__(
        self, kind: str, pos: int, text: str, value: object = None, *, spaced: bool = False
    ) -> None:
        self.kind = kind
        self.pos = pos
        self.text = text
        self.value = value
        self.spaced = spaced


class Lexer:
    """Cuts one template into tokens."""

    def __init__(self, name: str, source: str) -> None:
        self.name = name
        self.source = source
        self.pos = 0
        self.tokens: list[Token] = []

    def error(self, pos: int, message: str) -> TemplateError:
        line = self.source.count("\n", 0, pos) + 1
        return TemplateError(f"template: {self.name}:{line}: {message}")

    def run(self) -> list[Token]:
        """Return every token, the last one of kind END.

        Raises:
            TemplateError: a broken literal, an unclosed action or comment, or too long a text.
        """
        source = self.source
        if len(source) > MAX_TEMPLATE:
            raise self.error(0, "template too long")
        trim_next = False
        while True:
            start = source.find("{{", self.pos)
            text = source[self.pos : start if start >= 0 else len(source)]
            text_at = self.pos
            if trim_next:
                text = text.lstrip(_SPACE)
            if start < 0:
                self._text(text_at, text)
                self.tokens.append(Token(END, len(source), ""))
                return self.tokens
            self.pos = start + 2
            if self._trims_left():
                text = text.rstrip(_SPACE)
                self.pos += 1
            self._text(text_at, text)
            if source.startswith("/*", self._after_space()):
                trim_next = self._comment(start)
                continue
            self.tokens.append(Token(OPEN, start, "{{"))
            trim_next = self._action(start)

    def _text(self, pos: int, text: str) -> None:
        if text:
            self.tokens.append(Token(TEXT, pos, text))

    def _trims_left(self) -> bool:
        rest = self.source[self.pos : self.pos + 2]
        return len(rest) == 2 and rest[0] == "-" and rest[1] in _SPACE

    def _after_space(self) -> int:
        pos = self.pos
        while pos < len(self.source) and self.source[pos] in _SPACE:
            pos += 1
        return pos

    def _comment(self, start: int) -> bool:
        end = self.source.find("*/", self.pos)
        if end < 0:
            raise self.error(start, "unclosed comment")
        rest = self.source[end + 2 :]
        for close, trims in (("}}", False), (" -}}", True), ("\t-}}", True), ("\n-}}", True)):
            if rest.startswith(close):
                self.pos = end + 2 + len(close)
                return trims
        raise self.error(start, "comment ends before closing delimiter")

    def _action(self, start: int) -> bool:
        """Cut the inside of one action; tell whether it trims the text behind it."""
        source = self.source
        while True:
            spaced = False
            before = self.pos
            self.pos = self._after_space()
            spaced = self.pos > before
            pos = self.pos
            if pos >= len(source):
                raise self.error(start, "unclosed action")
            if spaced and source.startswith("-}}", pos):
                self.pos += 3
                self.tokens.append(Token(CLOSE, pos, "}}"))
                return True
            if source.startswith("}}", pos):
                self.pos += 2
                self.tokens.append(Token(CLOSE, pos, "}}"))
                return False
            token = self._token(pos, source[pos])
            token.spaced = spaced
            self.tokens.append(token)

    def _token(self, pos: int, char: str) -> Token:
        source = self.source
        following = source[pos + 1 : pos + 2]
        if char == "." and not following.isdigit():
            return self._field(pos)
        if char == "$":
            return self._named(VARIABLE, pos, 1)
        if char.isalpha() or char == "_":
            return self._named(WORD, pos, 0)
        if char.isdigit() or char in "+-.":
            return self._number(pos)
        if char in "\"'":
            return self._quoted(pos, char)
        if char == "`":
            return self._raw(pos)
        if source.startswith(":=", pos):
            self.pos += 2
            return Token(SIGN, pos, ":=")
        if char in "|(),=":
            self.pos += 1
            return Token(SIGN, pos, char)
        raise self.error(pos, f"unexpected {_describe(char)} in command")

    def _word_end(self, pos: int) -> int:
        source = self.source
        while pos < len(source) and (source[pos].isalnum() or source[pos] == "_"):
            pos += 1
        return pos

    def _field(self, pos: int) -> Token:
        end = self._word_end(pos + 1)
        self.pos = end
        if end == pos + 1:
            return Token(DOT, pos, ".")
        self._check_end(end)
        return Token(FIELD, pos, self.source[pos + 1 : end])

    def _named(self, kind: str, pos: int, prefix: int) -> Token:
        end = self._word_end(pos + prefix)
        self.pos = end
        self._check_end(end)
        return Token(kind, pos, self.source[pos:end])

    def _check_end(self, end: int) -> None:
        char = self.source[end : end + 1]
        if char and char not in _SPACE + ".,|:)(=" and not self.source.startswith("}}", end):
            raise self.error(end, f"bad character {_describe(char)}")

    def _number(self, pos: int) -> Token:
        source = self.source
        end = pos + 1
        while end < len(source) and (source[end].isalnum() or source[end] in "._"):
            end += 1
            if source[end - 1] in "eEpP" and source[end : end + 1] in {"+", "-"}:
                end += 1
        self.pos = end
        text = source[pos:end]
        value = _number(text)
        if value is None:
            raise self.error(pos, f"bad number syntax: {text!r}".replace("'", '"'))
        return Token(NUMBER, pos, text, value)

    def _quoted(self, pos: int, quote: str) -> Token:
        source = self.source
        out: list[str] = []
        at = pos + 1
        while True:
            char = source[at : at + 1]
            if not char or char == "\n":
                what = "quoted string" if quote == '"' else "character constant"
                raise self.error(pos, f"unterminated {what}")
            if char == quote:
                break
            if char == "\\":
                text, at = self._escape(pos, at)
                out.append(text)
            else:
                out.append(char)
                at += 1
        self.pos = at + 1
        text = "".join(out)
        spelling = source[pos : at + 1]
        if quote == '"':
            return Token(STRING, pos, spelling, text)
        if len(text) != 1:
            raise self.error(pos, f"malformed character constant: {spelling}")
        return Token(CHAR, pos, spelling, ord(text))

    def _escape(self, pos: int, at: int) -> tuple[str, int]:
        """Read one escape sequence whose backslash stands at `at`."""
        char = self.source[at + 1 : at + 2]
        if char in _SIMPLE:
            return _SIMPLE[char], at + 2
        try:
            if char in _CODED:
                end = at + 2 + _CODED[char]
                return chr(int(self.source[at + 2 : end], 16)), end
            return chr(int(self.source[at + 1 : at + 4], 8)), at + 4
        except (ValueError, OverflowError):
            raise self.error(pos, "invalid syntax") from None

    def _raw(self, pos: int) -> Token:
        end = self.source.find("`", pos + 1)
        if end < 0:
            raise self.error(pos, "unterminated raw quoted string")
        self.pos = end + 1
        return Token(STRING, pos, self.source[pos : end + 1], self.source[pos + 1 : end])


def _describe(char: str) -> str:
    return f"U+{ord(char):04X} {char!r}"


def _number(text: str) -> int | float | None:
    plain = text.lstrip("+-")
    if len(plain) > 1 and plain[0] == "0" and plain.isdigit():
        text = text.replace(plain, "0o" + plain[1:])
    try:
        return int(text, 0)
    except ValueError:
        pass
    try:
        return float.fromhex(text) if "x" in text.lower() else float(text)
    except (ValueError, OverflowError):
        return None
