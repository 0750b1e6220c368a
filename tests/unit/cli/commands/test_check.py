"""What `system check` prints."""

from __future__ import annotations

from wharfie.cli.commands.check import finding_lines, summary_line


def test_a_finding_says_what_whose_why_and_what_to_do() -> None:
    finding = {
        "kind": "layer",
        "name": "sha256:ab",
        "problem": "etc: missing",
        "images": ["app:1", "app:2"],
        "repaired": False,
        "remedy": "run again with --repair",
    }
    assert finding_lines(finding).splitlines() == [
        "damaged: layer sha256:ab",
        "  of app:1, app:2",
        "  etc: missing",
        "  run again with --repair",
    ]
    assert finding_lines({**finding, "repaired": True}).startswith("repaired: layer")


def test_a_summary_tells_what_could_not_be_compared() -> None:
    summary = {"blobs": 3, "layers": 2, "unverified": 0, "findings": 0, "repaired": 0}
    assert summary_line(summary) == "3 blobs and 2 layers checked: all is well"
    line = summary_line({**summary, "unverified": 1, "findings": 2, "repaired": 1})
    assert line.endswith("1 layers have no blob to compare with: 2 damaged, 1 repaired")
