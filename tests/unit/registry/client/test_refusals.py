"""Error documents in Docker's words."""

from __future__ import annotations

import json

import pytest

from wharfie.registry.client.refusals import refusal


def document(code: str, message: str) -> bytes:
    return json.dumps({"errors": [{"code": code, "message": message}]}).encode()


@pytest.mark.parametrize(
    ("status", "body", "code", "text"),
    [
        (404, document("MANIFEST_UNKNOWN", "manifest unknown"), "MANIFEST_UNKNOWN",
         "manifest unknown: manifest unknown"),
        (401, b'{"details": "incorrect username or password"}', "UNAUTHORIZED",
         "unauthorized: incorrect username or password"),
        (401, b"", "UNAUTHORIZED", "unauthorized: authentication required"),
        (403, b"<html>", "DENIED", "denied: requested access to the resource is denied"),
        (429, b"", "TOOMANYREQUESTS",
         "toomanyrequests: You have reached your pull rate limit"),
        (500, b"oh\x1b[31m no", "", "unexpected status from U: 500: oh [31m no"),
    ],
)  # fmt: skip
def test_words(status: int, body: bytes, code: str, text: str) -> None:
    found = refusal(status, {}, body, "U")
    assert (found.code, str(found)) == (code, text)


def test_a_scope_that_was_not_granted_is_a_denial() -> None:
    field = {"www-authenticate": 'Bearer realm="x",error="insufficient_scope"'}
    assert refusal(401, field, document("UNAUTHORIZED", "x"), "U").code == "DENIED"


def test_what_passes_and_how_long_to_wait() -> None:
    assert refusal(503, {}, b"", "U").is_passing
    assert refusal(429, {"retry-after": "7"}, b"", "U").retry_after == 7
    assert refusal(429, {"retry-after": "x"}, b"", "U").retry_after is None
    assert not refusal(404, {}, b"", "U").is_passing


def test_a_strangers_text_is_cut_and_cleaned() -> None:
    text = str(refusal(400, {}, document("X", "a\r\nb" + "x" * 1000), "U"))
    assert len(text) < 400
    assert text.isprintable()
