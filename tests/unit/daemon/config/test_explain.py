"""`wharfied config explain`: every value with its source."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from wharfie.daemon.config import DOCKERD, WHARFIED, ConfigError
from wharfie.daemon.config.explain import explain_command
from wharfie.daemon.config.flags import parse_flags


def explained(
    tmp_path: Path, content: str, *flags: str, **environment: str
) -> dict[str, dict[str, object]]:
    path = tmp_path / "daemon.json"
    path.write_text(content)
    values = parse_flags([*flags, "--config-file", str(path)])
    text = explain_command(values, WHARFIED, {"HOME": "/home/me", **environment}, as_json=True)
    found = json.loads(text)
    assert isinstance(found, dict)
    return found


def test_each_value_names_its_source(tmp_path: Path) -> None:
    file = f"{tmp_path}/daemon.json"
    found = explained(
        tmp_path, '{\n"debug": true,\n"proxies": {"http-proxy": "http://u:p@x"}}', "--mtu=1400",
        "--bridge-accept-fwmark=1", NO_PROXY="localhost",
    )  # fmt: skip
    assert found["mtu"]["value"] == 1400
    assert found["mtu"]["source"] == "flag --mtu"
    assert found["debug"]["source"] == f"{file}:2"
    assert found["debug"]["reload"] is True
    assert found["log-level"] == {"value": "debug", "source": f"{file}:2", "reload": False}
    assert found["http-proxy"]["value"] == "http://xxxxx:xxxxx@x"
    assert found["no-proxy"]["source"] == "environment NO_PROXY"
    assert found["data-root"] == {
        "value": "/var/lib/wharfie", "source": "default of wharfied", "reload": False,
    }  # fmt: skip
    assert "marks" in str(found["bridge-accept-fwmark"]["note"])


def test_defaults_that_depend_on_tls_say_so(tmp_path: Path) -> None:
    assert explained(tmp_path, "{}")["tlscert"]["source"] == "default, TLS is off"
    found = explained(tmp_path, "{}", "--tls", DOCKER_CERT_PATH="/certs")
    assert found["hosts"]["source"] == "default with TLS"
    assert found["tlscert"] == {
        "value": "/certs/cert.pem", "source": "default, certificates in /certs", "reload": False,
    }  # fmt: skip


def test_what_the_name_decides_is_shown(tmp_path: Path) -> None:
    path = tmp_path / "daemon.json"
    path.write_text("{}")
    for places, allowed in ((WHARFIED, False), (DOCKERD, True)):
        text = explain_command({"config-file": str(path)}, places, {}, as_json=True)
        assert json.loads(text)["allow-plain-tcp"]["value"] is allowed


def test_people_get_a_table(tmp_path: Path) -> None:
    path = tmp_path / "daemon.json"
    path.write_text('{"labels": ["a=b"]}')
    text = explain_command({"config-file": str(path)}, WHARFIED, {}, as_json=False)
    lines = text.splitlines()
    assert lines[0].split() == ["OPTION", "VALUE", "SOURCE"]
    assert ["labels", "[a=b]", f"{path}:1"] in [line.split() for line in lines]


def test_what_would_not_start_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="both as a flag"):
        explained(tmp_path, '{"debug": true}', "-D")
