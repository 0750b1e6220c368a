"""A command: what it is called with, and the function that does it."""

from __future__ import annotations

from wharfie.formats.pflag import Flag, Parser, UsageProblem, Values, declare

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from wharfie.cli.context import Context

    Run = Callable[[Context, Values], int]


class Command:
    """One verb.

    Args:
        run: does it; returns the exit code.
        short: one line for listings.
        form: the arguments as the usage line shows them; `long` replaces `short` in the help.
        flags: the flag table, see `wharfie.formats.pflag`.
        least, most: how many arguments it takes; `most` None for any number.
        aliases: every path it is reached by, as the help lists them.
        checks: validators of single flags.
        interspersed: whether flags may follow the first argument.
    """

    def __init__(
        self,
        run: Run,
        short: str,
        form: str = "",
        *,
        flags: str = "",
        least: int = 0,
        most: int | None = 0,
        aliases: tuple[str, ...] = (),
        checks: Mapping[str, Callable[[str], object]] | None = None,
        interspersed: bool = True,
        long: str = "",
        more_forms: tuple[str, ...] = (),
    ) -> None:
        self.run = run
        self.short = short
        self.long = long
        self.forms = (form, *more_forms)
        self.least = least
        self.most = most
        self.aliases = aliases
        self._flags = flags
        self._declared: dict[str, Flag] | None = None
        self._checks = checks
        self._interspersed = interspersed

    def declared(self) -> dict[str, Flag]:
        """Return its flags."""
        if self._declared is None:
            self._declared = declare(self._flags)
        return self._declared

    def parse(self, argv: list[str], path: str) -> Values:
        """Read its arguments; wrong ones raise UsageProblem."""
        parser = Parser(self.declared(), checks=self._checks, interspersed=self._interspersed)
        values = parser.parse(argv)
        self._check_count(len(values.args), path)
        return values

    def _check_count(self, count: int, path: str) -> None:
        least, most = self.least, self.most
        if count >= least and (most is None or count <= most):
            return
        hint = "Run"
        if most == 0:
            message = f"'{path}' accepts no arguments"
        elif most is None:
            hint = "See"
            message = f"'{path}' requires at least {_count(least)}"
        elif least == most:
            message = f"'{path}' requires {_count(least)}"
        elif least == 0:
            message = f"'{path}' requires at most {_count(most)}"
        else:
            message = f"'{path}' requires at least {least} and at most {_count(most)}"
        raise UsageProblem(message, code=1, hint=hint)


def _count(number: int) -> str:
    return f"{number} argument" if number == 1 else f"{number} arguments"
