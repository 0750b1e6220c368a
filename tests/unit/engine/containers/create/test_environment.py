from wharfie.engine.containers.create.environment import (
    DEFAULT_PATH,
    container_environment,
    exec_environment,
    override,
)


def test_order_is_path_hostname_term_links_own() -> None:
    found = container_environment(["A=1"], hostname="h", tty=True, links=["DB_PORT=tcp://1:2"])
    assert found == [f"PATH={DEFAULT_PATH}", "HOSTNAME=h", "TERM=xterm", "DB_PORT=tcp://1:2", "A=1"]


def test_own_settings_replace_in_place() -> None:
    found = container_environment(["HOSTNAME=x", "PATH=/bin"], hostname="h", tty=False)
    assert found == ["PATH=/bin", "HOSTNAME=x"]


def test_a_key_without_value_is_removed() -> None:
    assert container_environment(["HOSTNAME"], hostname="h", tty=False) == [f"PATH={DEFAULT_PATH}"]


def test_no_settings_at_all() -> None:
    assert container_environment(None, hostname="h", tty=False)[-1] == "HOSTNAME=h"


def test_values_keep_their_equal_signs() -> None:
    assert override([], ["A=b=c", "E="]) == ["A=b=c", "E="]


def test_a_repeated_key_appears_once() -> None:
    assert override([], ["A=1", "B=2", "A=3"]) == ["A=3", "B=2"]


def test_an_empty_key_is_dropped() -> None:
    assert override([], ["=x"]) == []


def test_exec_has_its_own_terminal_and_settings() -> None:
    found = exec_environment(["A=1"], ["A=2", "B=3"], hostname="h", tty=True)
    assert found[2:] == ["TERM=xterm", "A=2", "B=3"]
