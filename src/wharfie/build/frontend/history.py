"""What history says of an instruction, in the words of the classic builder or of BuildKit.

    classic    /bin/sh -c #(nop)  CMD ["sh"]       /bin/sh -c #(nop) WORKDIR /srv
    BuildKit   CMD ["sh"]                          WORKDIR /srv # buildkit

Source: moby daemon/builder/dockerfile and BuildKit frontend/dockerfile/dockerfile2llb, observed.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import structs

from wharfie.engine.images.making.instructions import SHELL
from wharfie.model.build.plan import CONTENT_MARK, HistoryForm
from wharfie.model.image import History, ImageConfig

COMMENT = "buildkit.dockerfile.v0"


class HistoryWriter:
    """Makes entries in one of the two forms."""

    def __init__(self, form: HistoryForm, created: str) -> None:
        self._is_classic = form is HistoryForm.CLASSIC
        self._created = created

    def config(self, text: str, config: ImageConfig, *, author: str = "") -> History:
        """An instruction that only changed the config."""
        if not self._is_classic:
            return History(
                created=self._created,
                created_by=text,
                author=author,
                comment=COMMENT,
                empty_layer=True,
            )
        return History(
            created=self._created,
            created_by=" ".join([*(config.shell or SHELL), "#(nop) ", text]),
            author=author,
            empty_layer=True,
        )

    def layer(self, text: str, config: ImageConfig, *, author: str = "") -> History:
        """An instruction that copied files or made a directory."""
        if not self._is_classic:
            return self._buildkit_layer(text, author)
        return History(
            created=self._created,
            created_by=" ".join([*(config.shell or SHELL), f"#(nop) {text}"]),
            author=author,
        )

    def directory(
        self, text: str, config: ImageConfig, *, author: str = "", is_root: bool = False
    ) -> History:
        """A WORKDIR; the root directory is there already."""
        if self._is_classic:
            entry = self.layer(text, config, author=author)
            return structs.replace(entry, empty_layer=is_root)
        return History(
            created=self._created,
            created_by=text,
            author=author,
            comment=COMMENT,
            empty_layer=is_root,
        )

    def run(
        self, arguments: Sequence[str], variables: Sequence[str] | None, *, author: str = ""
    ) -> History:
        """A command that ran, and the build arguments it saw; None for no such thing."""
        words = list(arguments)
        if variables is not None:
            words = [f"|{len(variables)}", *variables, *arguments]
        text = " ".join(words)
        if not self._is_classic:
            return self._buildkit_layer(f"RUN {text}", author)
        return History(created=self._created, created_by=text, author=author)

    def copied(
        self,
        keyword: str,
        *,
        flags: Sequence[str],
        sources: Sequence[str],
        destination: str,
    ) -> str:
        """The words for files copied; the classic builder names them by a digest."""
        if not self._is_classic:
            return " ".join([keyword, *flags, *sources, destination])
        kind = "file"
        if len(sources) > 1 or any(char in sources[0] for char in "*?["):
            kind = "multi"
        elif sources[0].endswith(("/", ".")):
            kind = "dir"
        return " ".join([keyword, *flags, f"{kind}:{CONTENT_MARK}", "in", destination, ""])

    def _buildkit_layer(self, text: str, author: str) -> History:
        return History(
            created=self._created,
            created_by=f"{text} # buildkit",
            author=author,
            comment=COMMENT,
        )
