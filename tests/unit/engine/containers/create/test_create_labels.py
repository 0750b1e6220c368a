"""Label options that follow from what a container shares."""

import pytest

from wharfie.engine.containers.create.labels import with_label_options
from wharfie.model.container import HostConfig
from wharfie.model.errors import InvalidArgument

LABELS = {"plain": "", "one": "u:r:t:s0:c1,c2", "two": "u:r:t:s0:c3,c4"}


def options_of(**fields: object) -> list[str] | None:
    return with_label_options(HostConfig(**fields), LABELS.__getitem__).security_opt


@pytest.mark.parametrize(
    "fields", [{"privileged": True}, {"ipc_mode": "host"}, {"pid_mode": "host"}]
)
def test_who_shares_the_hosts_is_not_confined(fields: dict[str, object]) -> None:
    assert options_of(**fields) == ["label=disable"]
    assert options_of(**fields, security_opt=["no-new-privileges"]) == [
        "no-new-privileges",
        "label=disable",
    ]
    assert options_of(**fields, security_opt=["label=type:x"]) == ["label=type:x"]


def test_others_are_left_alone() -> None:
    assert options_of() is None
    assert options_of(ipc_mode="container:plain", pid_mode="container:plain") is None


def test_who_shares_anothers_has_its_label() -> None:
    wanted = ["label=user:u", "label=role:r", "label=type:t", "label=level:s0:c1,c2"]
    assert options_of(ipc_mode="container:one") == wanted
    assert options_of(ipc_mode="container:one", pid_mode="container:one") == wanted
    with pytest.raises(InvalidArgument, match="aren't the same"):
        options_of(ipc_mode="container:one", pid_mode="container:two")
