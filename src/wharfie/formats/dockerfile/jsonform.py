"""The JSON (exec) form of arguments: `["executable", "parameter"]`.

Source: Dockerfile reference, "Exec form".
"""

from __future__ import annotations

import msgspec

from wharfie.formats.dockerfile.problem import DockerfileProblem
from wharfie.formats.dockerfile.words import MAX_WORDS


def json_words(text: str) -> list[str] | None:
    """The strings of a JSON list; None where the text is no such list and stands for itself.

    Raises:
        DockerfileProblem: a list that holds something else than strings.
    """
    text = text.strip()
    if not text.startswith("["):
        return None
    try:
        values = msgspec.json.decode(text, type=list[object])
    except (msgspec.MsgspecError, RecursionError, ValueError):
        return None
    if len(values) > MAX_WORDS:
        raise DockerfileProblem(f"an instruction of more than {MAX_WORDS} words")
    words = [value for value in values if isinstance(value, str)]
    if len(words) != len(values):
        raise DockerfileProblem(
            "when using JSON array syntax, arrays must be comprised of strings only",
            is_grammar=True,
        )
    return words
