import pytest
from msgspec import UNSET

from wharfie.api.bodies import check_content_type, convert, parse_document
from wharfie.api.routes.containers import CreateBody
from wharfie.engine.networks import NetworkCreate
from wharfie.model.container import Config, HostConfig
from wharfie.model.errors import InvalidArgument
from wharfie.model.exec import ExecConfig


def test_keys_are_taken_in_any_case_at_any_depth():
    body = convert(
        {"IMAGE": "a", "hostconfig": {"autoremove": True, "LOGCONFIG": {"type": "none"}}},
        CreateBody,
    )
    assert body.image == "a"
    assert body.host_config.auto_remove
    assert body.host_config.log_config.type == "none"


def test_odd_spellings_are_found():
    host = convert({"utsmode": "host", "blkiodevicereadiops": [{"path": "/a"}]}, HostConfig)
    assert host.uts_mode == "host"
    assert host.blkio_device_read_iops[0].path == "/a"


def test_null_is_accepted_for_anything():
    names = dict.fromkeys(("Hostname", "Env", "Tty", "Labels", "ExposedPorts"))
    assert convert(names, Config) == Config()
    body = convert({"HostConfig": None, "NetworkingConfig": {"EndpointsConfig": None}}, CreateBody)
    assert body.host_config == HostConfig()


def test_null_inside_maps_and_lists_is_the_zero_value():
    config = convert(
        {"ExposedPorts": {"80/tcp": None}, "Labels": {"a": None}, "Env": [None, "A=1"]}, Config
    )
    assert config.exposed_ports == {"80/tcp": {}}
    assert config.labels == {"a": ""}
    assert config.env == ["", "A=1"]


def test_null_bindings_of_a_port_keep_the_port():
    host = convert({"PortBindings": {"80/tcp": None, "81/tcp": [{"HostPort": "1"}]}}, HostConfig)
    assert host.port_bindings["80/tcp"] is None
    assert host.port_bindings["81/tcp"][0].host_port == "1"


@pytest.mark.parametrize("name", ["Cmd", "Entrypoint", "Shell"])
def test_a_string_stands_for_a_list_of_one_word(name):
    config = convert({name: "echo hi"}, Config)
    assert getattr(config, name.lower()) == ["echo hi"]
    assert getattr(convert({name: ["a", "b"]}, Config), name.lower()) == ["a", "b"]


def test_an_empty_entrypoint_differs_from_none():
    assert convert({"Entrypoint": []}, Config).entrypoint == []
    assert convert({"Entrypoint": None}, Config).entrypoint is None


def test_zero_timeout_differs_from_none():
    assert convert({"StopTimeout": 0}, Config).stop_timeout == 0
    assert convert({"StopTimeout": None}, Config).stop_timeout is UNSET


def test_unknown_members_are_ignored():
    assert convert({"Nonsense": {"a": 1}, "User": "u"}, Config).user == "u"


def test_the_last_of_two_spellings_wins():
    assert convert({"User": "a", "user": "b"}, Config).user == "b"


@pytest.mark.parametrize(
    "document",
    [
        {"Tty": "yes"},
        {"Env": {"A": 1}},
        {"Labels": ["a"]},
        {"HostConfig": [1]},
        {"HostConfig": {"Memory": "1g"}},
        {"HostConfig": {"PortBindings": {"80/tcp": {"HostPort": "1"}}}},
    ],
)
def test_wrong_types_are_refused(document):
    with pytest.raises(InvalidArgument, match="invalid JSON"):
        convert(document, CreateBody)


def test_other_bodies_follow_the_same_rules():
    assert convert({"CMD": ["a"], "env": None}, ExecConfig).cmd == ["a"]
    network = convert(
        {"Name": "n", "ipam": {"driver": None, "CONFIG": [{"subnet": "x"}]}}, NetworkCreate
    )
    assert network.ipam.config[0].subnet == "x"
    assert network.ipam.driver == "default"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "got EOF while reading request body"),
        (b"  ", "got EOF while reading request body"),
        (b"{}{}", "unexpected content after JSON"),
        (b'{"a":1} x', "unexpected content after JSON"),
        (b"{", "invalid JSON"),
        (b"[]", "invalid JSON"),
        (b'"x"', "invalid JSON"),
        (b'{"a":"\xff"}', "invalid JSON"),
        (b'{"a":' * 100_000, "invalid JSON"),
    ],
)
def test_malformed_bodies_are_refused(data, message):
    with pytest.raises(InvalidArgument, match=message):
        parse_document(data)


def test_deep_nesting_is_refused_not_crashed_on():
    document = parse_document(b'{"Labels":{"a":' + b"[" * 900 + b"]" * 900 + b"}}")
    with pytest.raises(InvalidArgument):
        convert(document, Config)


def test_null_is_an_empty_document():
    assert parse_document(b"null\n") == {}


@pytest.mark.parametrize(
    ("value", "has_body", "is_accepted"),
    [
        ("application/json", True, True),
        ("application/json; charset=utf-8", True, True),
        ("APPLICATION/JSON", True, True),
        ("", False, True),
        ("", True, False),
        ("text/plain", True, False),
        ("text/plain", False, False),
        ("json", True, False),
    ],
)
def test_only_json_is_taken_for_json(value, has_body, is_accepted):
    if is_accepted:
        check_content_type(value, has_body=has_body)
    else:
        with pytest.raises(InvalidArgument, match="must be 'application/json'"):
            check_content_type(value, has_body=has_body)
