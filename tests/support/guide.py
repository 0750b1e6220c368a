"""The commands of a guide, to be typed by a test just as they are printed.

A block of a Markdown page is told by the comment above it:

    <!-- tested: mutual-tls -->
    ```console
    server# wharfied &
    client$ docker ps
    CONTAINER ID …
    ```

A line with a prompt is typed on that machine, a here-document with it; lines without are its
output, where `…` stands for anything.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"
_BLOCK = re.compile(r"<!-- tested: ([\w-]+) -->\n```console\n(.*?)```\n", re.DOTALL)
_DOCUMENT = re.compile(r"<<'(\w+)'")
_PROMPT = re.compile(r"(\w+)[#$] (.*)")


@dataclass
class Step:
    machine: str
    line: str
    output: list[str] = field(default_factory=list)

    def check(self, said: str) -> None:
        """Compare what was said with what the guide shows."""
        if not self.output:
            return
        pattern = r"\s*\n".join(re.escape(line.rstrip()).replace("…", ".*") for line in self.output)
        assert re.fullmatch(pattern + r"\s*", said, re.DOTALL), (
            f"{self.line} said\n{said}\nbut the guide shows\n" + "\n".join(self.output)
        )


def blocks(page: str) -> dict[str, list[Step]]:
    """All tested blocks of a page by name."""
    found: dict[str, list[Step]] = {}
    for name, body in _BLOCK.findall((DOCS / page).read_text()):
        steps: list[Step] = []
        end = ""
        for line in body.splitlines():
            prompt = _PROMPT.match(line)
            if end:
                steps[-1].line += f"\n{line}"
                end = "" if line == end else end
            elif prompt:
                steps.append(Step(prompt[1], prompt[2]))
                document = _DOCUMENT.search(line)
                end = document[1] if document else ""
            elif line.strip():
                steps[-1].output.append(line)
        assert name not in found, name
        found[name] = steps
    return found
