"""Words of an instruction's arguments, quotes and escapes left in for the expansion to come.

Source: Dockerfile reference, ENV, LABEL, ARG; Go's unicode.IsSpace.
"""

from __future__ import annotations

import re

from wharfie.formats.dockerfile.problem import DockerfileProblem

BLANKS = re.compile(r"[\t\v\f\r ]+")
"""What parts the words of instructions that know no quotes."""
MAX_WORDS = 10_000


def split_blanks(text: str) -> list[str]:
    """Words between blanks; quotes mean nothing.

    Raises:
        DockerfileProblem: absurdly many.
    """
    return _bounded([word for word in BLANKS.split(text) if word])


def split_words(text: str, escape: str) -> list[str]:
    """Words between spaces that are neither quoted nor escaped.

    Raises:
        DockerfileProblem: absurdly many.
    """
    words: list[str] = []
    word: list[str] = []
    quote = ""
    is_word = False
    position = 0
    while position < len(text):
        char = text[position]
        position += 1
        if not quote and char.isspace():
            if is_word:
                words.append("".join(word))
                word, is_word = [], False
            continue
        if char == escape and quote != "'":
            if position == len(text):
                break
            char += text[position]
            position += 1
        elif char == quote:
            quote = ""
        elif not quote and char in "'\"":
            quote = char
        word.append(char)
        is_word = True
    if is_word:
        words.append("".join(word))
    return _bounded(words)


def _bounded(words: list[str]) -> list[str]:
    if len(words) > MAX_WORDS:
        raise DockerfileProblem(f"an instruction of more than {MAX_WORDS} words")
    return words
