import pytest

from wharfie.engine.images.making.changes import apply_changes
from wharfie.model.container import HealthConfig
from wharfie.model.errors import InvalidArgument
from wharfie.model.image import ImageConfig


def test_every_instruction() -> None:
    config = apply_changes(
        ImageConfig(env=["A=0"], working_dir="/srv"),
        [
            'CMD ["a", "b"]',
            "entrypoint run me",
            'ENV A=1 B="2 3"',
            "ENV C spaced value",
            "EXPOSE 80 90-91/udp",
            "LABEL l=1 m='x y'",
            "ONBUILD RUN x",
            "STOPSIGNAL SIGINT",
            "USER me:us",
            'VOLUME ["/a", "/b"]',
            "VOLUME /c",
            "WORKDIR sub",
            'HEALTHCHECK --interval=5s --retries=2 CMD ["true"]',
        ],
    )
    assert config == ImageConfig(
        cmd=["a", "b"],
        entrypoint=["/bin/sh", "-c", "run me"],
        env=["A=1", "B=2 3", "C=spaced value"],
        exposed_ports={"80/tcp": {}, "90/udp": {}, "91/udp": {}},
        labels={"l": "1", "m": "x y"},
        on_build=["RUN x"],
        stop_signal="SIGINT",
        user="me:us",
        volumes={"/a": {}, "/b": {}, "/c": {}},
        working_dir="/srv/sub",
        healthcheck=HealthConfig(test=["CMD", "true"], interval=5_000_000_000, retries=2),
    )


def test_one_change_may_hold_several_lines() -> None:
    assert apply_changes(ImageConfig(), ["USER a\n\nWORKDIR /x"]).working_dir == "/x"


@pytest.mark.parametrize(
    "change",
    [
        "RUN ls",
        "COPY a b",
        "NONSENSE x",
        "ENV A",
        'ENV A="1',
        "ENV =1",
        "LABEL a=1 b",
        "EXPOSE 70000",
        "EXPOSE 9-1",
        "EXPOSE 80/quic",
        "ONBUILD ONBUILD RUN x",
        "ONBUILD FROM x",
        "HEALTHCHECK ls",
        "HEALTHCHECK --interval=fast CMD x",
        "HEALTHCHECK --speed=1 CMD x",
        'VOLUME [""]',
    ],
)
def test_a_bad_change_is_refused(change: str) -> None:
    with pytest.raises(InvalidArgument):
        apply_changes(ImageConfig(), [change])
