from __future__ import annotations

import pytest

from wharfie.cli.references import parse_reference

DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("text", "full", "familiar"),
    [
        ("busybox", "docker.io/library/busybox:latest", "busybox:latest"),
        ("a/b:1", "docker.io/a/b:1", "a/b:1"),
        ("localhost/x", "localhost/x:latest", "localhost/x:latest"),
        ("localhost:5000/x", "localhost:5000/x:latest", "localhost:5000/x:latest"),
        ("index.docker.io/x", "docker.io/library/x:latest", "x:latest"),
        ("r.io/a/b/c", "r.io/a/b/c:latest", "r.io/a/b/c:latest"),
        (f"x@{DIGEST}", f"docker.io/library/x@{DIGEST}", f"x@{DIGEST}"),
        ("a__b--c.d", "docker.io/library/a__b--c.d:latest", "a__b--c.d:latest"),
    ],
)
def test_names_are_completed_and_shortened(text: str, full: str, familiar: str) -> None:
    reference = parse_reference(text).with_default_tag()
    assert reference.full == full
    assert reference.familiar == familiar


@pytest.mark.parametrize(
    "text", ["", ":x", "A", "a//b", "a:", "a:b:c", "a@x", "-a", "a_", "a...b", "a___b", "a" * 64]
)
def test_what_is_no_reference_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="invalid"):
        parse_reference(text)
