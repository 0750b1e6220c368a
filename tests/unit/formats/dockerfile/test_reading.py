import pytest

from wharfie.formats.dockerfile import instructions as kinds
from wharfie.formats.dockerfile.parser import parse_statement
from wharfie.formats.dockerfile.problem import DockerfileProblem
from wharfie.formats.dockerfile.reading import read_instruction


def read(text: str) -> kinds.AnyInstruction:
    return read_instruction(parse_statement(text))


def test_from() -> None:
    origin = read("FROM --platform=linux/amd64 a/b:c As Base")
    assert isinstance(origin, kinds.From)
    assert (origin.base, origin.name, origin.alias) == ("a/b:c", "base", "Base")
    assert (origin.platform, origin.as_keyword) == ("linux/amd64", "As")


@pytest.mark.parametrize(
    ("text", "words", "in_shell"),
    [
        ("RUN a  b", ["a  b"], True),
        ('RUN ["a", "b c"]', ["a", "b c"], False),
        ('RUN ["a",]', ['["a",]'], True),
        ('RUN ["a"] b', ['["a"] b'], True),
        ("RUN ['a']", ["['a']"], True),
        ("RUN []", [], False),
        ("RUN", [], True),
    ],
)
def test_the_two_forms_of_commands(text: str, words: list[str], in_shell: bool) -> None:
    run = read(text)
    assert isinstance(run, kinds.Run)
    assert run.command == kinds.CommandLine(words=words, in_shell=in_shell)


def test_copy_with_all_flags() -> None:
    copy = read("COPY --from=a --chown=b --chmod=c --link --parents --exclude=x --exclude=y f g/")
    assert isinstance(copy, kinds.Copy)
    assert (copy.from_, copy.owner, copy.mode) == ("a", "b", "c")
    assert copy.linked
    assert copy.parents
    assert copy.exclude == ["x", "y"]
    assert (copy.sources, copy.destination) == (["f"], "g/")


def test_add_with_all_flags() -> None:
    add = read("ADD --checksum=a --keep-git-dir --unpack=false f g")
    assert isinstance(add, kinds.Copy)
    assert (add.checksum, add.keep_git_dir, add.unpack) == ("a", True, False)
    assert add.is_add


def test_copy_of_heredocs() -> None:
    copy = read("COPY <<a f <<b /d/\n1\na\n2\nb")
    assert isinstance(copy, kinds.Copy)
    assert copy.sources == ["f"]
    assert [heredoc.content for heredoc in copy.heredocs] == ["1\n", "2\n"]


def test_health_check() -> None:
    check = read("HEALTHCHECK --interval=1m30s --retries=2 CMD a b")
    assert isinstance(check, kinds.HealthCheck)
    assert check.test == ["CMD-SHELL", "a b"]
    assert (check.interval, check.retries) == (90_000_000_000, 2)


def test_ports_are_sorted_and_onbuild_keeps_its_heredoc() -> None:
    expose = read("EXPOSE 90 80")
    assert isinstance(expose, kinds.Expose)
    assert expose.ports == ["80", "90"]
    on_build = read("ONBUILD RUN <<A\n1\nA")
    assert isinstance(on_build, kinds.OnBuild)
    assert on_build.trigger == "RUN <<A\n1\nA"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("FOO x", "unknown instruction: FOO (did you mean FROM?)"),
        ("something x", "unknown instruction: something"),
        ("FROM a b", "FROM requires either one or three arguments"),
        ("FROM a AS 1", 'invalid name for build stage: "1", name can\'t start with a number or '
         "contain symbols"),
        ("RUN --foo=x a", "unknown flag: --foo"),
        ("COPY --foo=x a b", "unknown flag: --foo (did you mean from?)"),
        ("COPY --from a b", "missing a value on flag: --from"),
        ("COPY --from=a --from=b a b", "duplicate flag specified: --from"),
        ("COPY --link=perhaps a b", "expecting boolean value for flag --link, not: perhaps"),
        ("COPY a", "COPY requires at least two arguments, but only one was provided. Destination "
         "could not be determined"),
        ("COPY f <<a\na", "COPY cannot accept a heredoc as a destination"),
        ("RUN --network=x a", 'invalid network mode "x"'),
        ("ENV a", "ENV must have two arguments"),
        ("ENV =1", "ENV names can not be blank"),
        ("LABEL a=1 b", 'Syntax error - can\'t find = in "b". Must be of the form: name=value'),
        ("ARG", "ARG requires at least one argument"),
        ("ARG =1", "ARG names can not be blank"),
        ("USER", "USER requires exactly one argument"),
        ("SHELL a", "SHELL requires the arguments to be in JSON form"),
        ("CMD [1]", "when using JSON array syntax, arrays must be comprised of strings only"),
        ("VOLUME", "VOLUME requires at least one argument"),
        ('VOLUME [""]', "VOLUME specified can not be an empty string"),
        ("ONBUILD ONBUILD RUN x", "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed"),
        ("ONBUILD FROM x", "FROM isn't allowed as an ONBUILD trigger"),
        ("HEALTHCHECK", "HEALTHCHECK requires at least one argument"),
        ("HEALTHCHECK NONE x", "HEALTHCHECK NONE takes no arguments"),
        ("HEALTHCHECK ping", 'Unknown type "PING" in HEALTHCHECK (try CMD)'),
        ("HEALTHCHECK CMD", "Missing command after HEALTHCHECK CMD"),
        ("HEALTHCHECK --interval=1us CMD x", 'Interval "interval" cannot be less than 1ms'),
        ("HEALTHCHECK --retries=-1 CMD x", "--retries cannot be negative (-1)"),
        ("HEALTHCHECK --retries=x CMD x", 'strconv.ParseInt: parsing "x": invalid syntax'),
    ],
)  # fmt: skip
def test_errors_in_dockers_words(text: str, message: str) -> None:
    with pytest.raises(DockerfileProblem) as caught:
        read(text)
    assert str(caught.value) == message
    assert caught.value.start == 1
