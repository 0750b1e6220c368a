from __future__ import annotations

import io

import pytest

from wharfie.cli.errors import CommandError
from wharfie.cli.output.progress import progress_text, show_messages

PULL: list[object] = [
    {"status": "Pulling from library/busybox", "id": "latest"},
    {"status": "Pulling fs layer", "progressDetail": {}, "id": "aa"},
    {"status": "Downloading", "progressDetail": {"current": 5, "total": 10}, "id": "aa"},
    {"status": "Pull complete", "progressDetail": {}, "id": "aa"},
    {"status": "Digest: sha256:x"},
]


def test_a_pipe_gets_lines_without_bars() -> None:
    out = io.StringIO()
    show_messages(PULL, out=out)
    assert out.getvalue() == (
        "latest: Pulling from library/busybox\naa: Pulling fs layer\naa: Pull complete\n"
        "Digest: sha256:x\n"
    )


def test_a_terminal_gets_moving_lines() -> None:
    out = io.StringIO()
    show_messages(PULL, out=out, width=120)
    assert "\x1b[1A" in out.getvalue()
    assert "[=========================>" in out.getvalue()


def test_an_error_in_the_stream_fails_the_command() -> None:
    with pytest.raises(CommandError, match="no space"):
        show_messages([{"errorDetail": {"message": "no space"}, "error": "x"}], out=io.StringIO())


def test_aux_objects_are_handed_on_not_printed() -> None:
    out, seen = io.StringIO(), []
    show_messages([{"aux": {"ID": "x"}}, {"stream": "text"}], out=out, on_aux=seen.append)
    assert seen == [{"ID": "x"}]
    assert out.getvalue() == "text"


@pytest.mark.parametrize("detail", [None, {}, {"current": "x"}, {"current": 0, "total": 0}, []])
def test_odd_details_draw_nothing(detail: object) -> None:
    assert progress_text(detail, 200) == ""


def test_a_layer_keeps_one_line_from_its_first_word_on() -> None:
    out = io.StringIO()
    show_messages(PULL, out=out, width=80)
    # One for the head, one that makes room for the layer, one for the digest.
    assert out.getvalue().count("\n") == 3
