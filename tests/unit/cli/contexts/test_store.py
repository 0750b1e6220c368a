from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from wharfie.cli.config import ConfigFile
from wharfie.cli.contexts.store import ContextNotFound, ContextStore, check_name, natural_key
from wharfie.cli.errors import CommandError

DOCUMENT = {"Metadata": {"Other": 1}, "Endpoints": {"docker": {"Host": "tcp://h:1"}, "k8s": {}}}


def test_what_other_programs_keep_is_kept(tmp_path: Path) -> None:
    store = ContextStore(str(tmp_path))
    store.save("one", DOCUMENT)
    found = store.load("one")
    assert found.document == {"Name": "one", **DOCUMENT}
    assert (found.host, found.skip_verify, found.tls) == ("tcp://h:1", False, {})


def test_replaced_keys_do_not_linger(tmp_path: Path) -> None:
    store = ContextStore(str(tmp_path))
    store.save("one", DOCUMENT, {"docker": {"ca.pem": b"1", "key.pem": b"2"}})
    key = store.load("one").tls_file("key")
    assert stat.S_IMODE(os.stat(key).st_mode) == 0o600
    store.save("one", DOCUMENT, {"docker": {"ca.pem": b"3"}})
    assert store.load("one").tls_content() == {"docker": {"ca.pem": b"3"}}
    assert not os.path.exists(key)
    store.save("one", DOCUMENT, {})
    assert store.load("one").tls == {}


def test_a_removed_context_leaves_nothing(tmp_path: Path) -> None:
    store = ContextStore(str(tmp_path))
    store.save("one", DOCUMENT, {"docker": {"key.pem": b"2"}})
    store.remove("one")
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
    with pytest.raises(ContextNotFound):
        store.load("one")


def test_keys_that_were_half_stored_are_swept(tmp_path: Path) -> None:
    store = ContextStore(str(tmp_path))
    found = store.save("one", DOCUMENT, {"docker": {"key.pem": b"2"}})
    half = Path(f"{found.tls_path}.123.tmp/docker")
    half.mkdir(parents=True)
    (half / "key.pem").write_text("half")
    store.save("one", DOCUMENT, {"docker": {"key.pem": b"3"}})
    assert not half.parent.exists()
    assert store.load("one").tls_content() == {"docker": {"key.pem": b"3"}}


@pytest.mark.parametrize("name", ["a", "", "default", "../x", "-x", "a b", "a/b", "é1", "a\n"])
def test_names_are_checked(name: str) -> None:
    with pytest.raises(CommandError):
        check_name(name)


def test_numbers_sort_as_numbers() -> None:
    assert sorted(["a10", "a9", "b", "a"], key=natural_key) == ["a", "a9", "a10", "b"]


def test_settings_are_changed_one_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "real.json"
    path.write_text('{"auths":{"x":{"auth":"y"}},"odd":1.50}')
    path.chmod(0o640)
    (tmp_path / "config.json").symlink_to(path)
    config = ConfigFile(str(tmp_path))
    config.save("currentContext", "one")
    assert '"odd": 1.50' in path.read_text()
    assert (tmp_path / "config.json").is_symlink()
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert ConfigFile(str(tmp_path)).text("currentContext") == "one"
    config.save("currentContext", None)
    assert "currentContext" not in path.read_text()


def test_a_broken_configuration_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"auths": ')
    with pytest.raises(CommandError, match="cannot be read"):
        ConfigFile(str(tmp_path)).save("currentContext", "x")
    assert (tmp_path / "config.json").read_text() == '{"auths": '
