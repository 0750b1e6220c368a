import pytest

from wharfie.formats.dockerfile.mounts import Mount, parse_mount
from wharfie.formats.dockerfile.problem import DockerfileProblem


def same(text: str) -> str:
    return text


@pytest.mark.parametrize(
    ("text", "mount"),
    [
        ("target=/c", Mount(kind="bind", target="/c")),
        (
            "type=bind,from=a,src=/s,dst=/d,rw",
            Mount(kind="bind", from_="a", source="/s", target="/d", read_only=False),
        ),
        (
            "type=cache,target=/c,id=x,sharing=locked,mode=0700,uid=1,gid=2,ro",
            Mount(
                kind="cache", target="/c", id="x", sharing="locked", mode=0o700, uid=1, gid=2,
                read_only=True,
            ),
        ),
        ("type=tmpfs,target=/t,size=1m", Mount(kind="tmpfs", target="/t", size=1 << 20)),
        (
            "type=secret,id=s,env=TOKEN,required",
            Mount(kind="secret", id="s", environment="TOKEN", required=True),
        ),
        ("type=secret,id=s,env", Mount(kind="secret", id="s", environment="")),
        ("type=ssh,required=false", Mount(kind="ssh")),
        ('type=bind,"source=a,b",target=/x', Mount(kind="bind", source="a,b", target="/x")),
        ("TYPE=tmpfs,Target=/t", Mount(kind="tmpfs", target="/t")),
    ],
)  # fmt: skip
def test_every_kind(text: str, mount: Mount) -> None:
    assert parse_mount(text, same) == mount


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("type=foo", 'unsupported mount type "foo"'),
        ("type=bin", 'unsupported mount type "bin" (did you mean bind?)'),
        ("foo=1", "unexpected key 'foo' in 'foo=1' (did you mean from?)"),
        ("source", "invalid field 'source' must be a key=value pair"),
        ("type=cache,target=/x,size=3", "unexpected key 'size' for mount type 'cache'"),
        ("type=cache,target=/x,sharing=foo", 'unsupported sharing value "foo"'),
        ("target=/x,sharing=shared", "invalid cache sharing set for bind mount"),
        ("type=tmpfs,target=/x,size=foo", "invalid value for size: foo"),
        ("type=cache,target=/x,uid=a", "invalid value a for uid"),
        ("type=cache,target=/x,mode=9", "invalid value 9 for mode"),
        ("type=ssh,required=perhaps", "invalid value for required: perhaps"),
        ('"type=x', "failed to parse csv mounts"),
    ],
)
def test_errors_in_buildkits_words(text: str, message: str) -> None:
    with pytest.raises(DockerfileProblem) as caught:
        parse_mount(text, same)
    assert str(caught.value).startswith(message)


def test_values_with_variables_wait_for_their_expansion() -> None:
    assert parse_mount("type=cache,target=$x,uid=$u").uid is None
    assert parse_mount("type=cache,target=$x,uid=$u", lambda text: "7").uid == 7
