import pytest

from wharfie.drivers.runtime.capabilities import DEFAULT, NAMES, effective_set, for_user
from wharfie.model.errors import InvalidArgument

POSSIBLE = tuple(name for name in NAMES if name != "CAP_SYS_RESOURCE")


def _set(add: list[str], drop: list[str], *, privileged: bool = False) -> set[str]:
    return set(effective_set(add=add, drop=drop, privileged=privileged, possible=POSSIBLE))


def test_default() -> None:
    assert _set([], []) == set(DEFAULT)
    assert len(DEFAULT) == 14


@pytest.mark.parametrize("name", ["NET_ADMIN", "cap_net_admin", "Net_Admin", "CAP_NET_ADMIN"])
def test_any_spelling_adds(name: str) -> None:
    assert _set([name], []) == {*DEFAULT, "CAP_NET_ADMIN"}


def test_drop() -> None:
    assert _set([], ["chown"]) == set(DEFAULT) - {"CAP_CHOWN"}
    assert _set([], ["ALL"]) == set()
    assert _set(["CHOWN"], ["ALL"]) == {"CAP_CHOWN"}


def test_add_all_gives_what_is_possible() -> None:
    assert _set(["ALL"], []) == set(POSSIBLE)
    assert _set(["all"], ["SYS_ADMIN"]) == set(POSSIBLE) - {"CAP_SYS_ADMIN"}


def test_privileged_ignores_drops() -> None:
    assert _set([], ["ALL"], privileged=True) == set(POSSIBLE)


@pytest.mark.parametrize(("add", "drop"), [(["NOPE"], []), ([], ["NOPE"])])
def test_unknown_names_are_refused(add: list[str], drop: list[str]) -> None:
    with pytest.raises(InvalidArgument, match='invalid capability: "NOPE"'):
        _set(add, drop)


def test_who_is_not_root_keeps_the_bounding_set() -> None:
    found = for_user(("CAP_CHOWN",), 1000)
    assert (found.bounding, found.effective, found.permitted) == (("CAP_CHOWN",), (), ())
    assert for_user(("CAP_CHOWN",), 0).effective == ("CAP_CHOWN",)


def test_numbers_are_the_kernels() -> None:
    assert NAMES.index("CAP_SYS_ADMIN") == 21
    assert NAMES.index("CAP_CHECKPOINT_RESTORE") == 40
