import json

import pytest

from wharfie.api.compat import (
    CHANGES,
    lower,
    lower_content_type,
    raise_document,
    raise_query,
)
from wharfie.api.compat.change import (
    CREATE,
    EXEC_CREATE,
    IMAGE_INSPECT,
    IMAGE_LIST,
    INFO,
    INSPECT,
    LIST,
    NETWORK_CREATE,
    VOLUME_PRUNE,
)
from wharfie.api.operations import MULTIPLEXED, RAW
from wharfie.api.query import Query
from wharfie.api.routes import ALL
from wharfie.model.errors import InvalidArgument


def raised(operation, version, document):
    raise_document(operation, version, document)
    return document


def mounts(*specs):
    return {"HostConfig": {"Mounts": list(specs)}}


def test_changes_stand_in_order():
    versions = [change.version for change in CHANGES]
    assert versions == sorted(set(versions))


def test_every_change_names_a_real_operation():
    names = {operation.name for operation in ALL}
    for change in CHANGES:
        keys = {*change.documents, *change.queries, *change.replies}
        assert keys <= names, change.version


def test_the_newest_version_changes_nothing():
    document = mounts({"Type": "image", "VolumeOptions": {"Subpath": "a"}})
    assert raised(CREATE, (1, 51), json.loads(json.dumps(document))) == document
    value = object()
    assert lower(LIST, (1, 51), value) is value


def test_ipc_was_shareable_by_default():
    assert raised(CREATE, (1, 39), {"Image": "a"})["HostConfig"]["IpcMode"] == "shareable"
    assert raised(CREATE, (1, 39), {"hostconfig": {"ipcmode": "host"}}) == {
        "hostconfig": {"ipcmode": "host"}
    }
    assert "HostConfig" not in raised(CREATE, (1, 40), {"Image": "a"})


def test_options_of_another_mount_type_were_dropped():
    spec = {"Type": "bind", "VolumeOptions": {}, "BindOptions": {"CreateMountpoint": True}}
    found = raised(CREATE, (1, 41), mounts(spec))["HostConfig"]["Mounts"][0]
    assert found == {"Type": "bind", "BindOptions": {}}


def test_console_sizes_were_ignored():
    assert raised(EXEC_CREATE, (1, 41), {"consolesize": [1, 2], "Cmd": []}) == {"Cmd": []}


def test_several_networks_at_create_were_refused():
    body = {"NetworkingConfig": {"EndpointsConfig": {"b": {}, "a": None}}}
    with pytest.raises(InvalidArgument, match="multiple network endpoints: a, b"):
        raised(CREATE, (1, 43), body)
    raised(CREATE, (1, 44), body)


def test_read_only_binds_were_not_recursive():
    found = raised(CREATE, (1, 43), mounts({"Type": "bind", "ReadOnly": True}))
    assert found["HostConfig"]["Mounts"][0]["BindOptions"] == {"ReadOnlyNonRecursive": True}
    writable = mounts({"Type": "bind"})
    assert raised(CREATE, (1, 43), writable) == mounts({"Type": "bind"})


def test_later_mounts_are_refused_below_their_version():
    with pytest.raises(InvalidArgument, match=r"1\.45"):
        raised(CREATE, (1, 44), mounts({"Type": "volume", "VolumeOptions": {"Subpath": "a"}}))
    with pytest.raises(InvalidArgument, match=r"1\.48"):
        raised(CREATE, (1, 47), mounts({"Type": "image"}))


def test_later_settings_are_dropped_below_their_version():
    assert raised(NETWORK_CREATE, (1, 47), {"enableipv4": False, "Name": "n"}) == {"Name": "n"}
    body = {"HostConfig": {"Annotations": {"a": "b"}}}
    assert raised(CREATE, (1, 42), body)["HostConfig"].get("Annotations") is None


@pytest.mark.parametrize("hostile", [{"HostConfig": 5}, {"HostConfig": {"Mounts": [1, None]}}, {}])
@pytest.mark.parametrize("version", [(1, 24), (1, 40), (1, 47)])
def test_wrong_shapes_survive_to_be_refused_later(hostile, version):
    raised(CREATE, version, hostile)


def test_queries_of_older_versions():
    query = Query("signal=TERM&t=1")
    raise_query("POST /containers/{ref}/stop", (1, 41), query)
    assert (query.text("signal"), query.integer("t")) == ("", 1)
    query = Query("condition=whatever")
    raise_query("POST /containers/{ref}/wait", (1, 41), query)
    assert not query.has("condition")
    query = Query("platform=linux/arm64")
    raise_query(CREATE, (1, 40), query)
    assert not query.has("platform")


def test_prune_took_named_volumes_too():
    for text in ("", "filters=%7B%22label%22%3A%5B%22a%22%5D%7D"):
        query = Query(text)
        raise_query(VOLUME_PRUNE, (1, 41), query)
        assert json.loads(query.text("filters"))["all"] == ["true"]
    query = Query("filters=%7B")
    raise_query(VOLUME_PRUNE, (1, 41), query)
    assert query.text("filters") == "{"


def test_multiplexed_streams_were_called_raw():
    assert lower_content_type((1, 41), MULTIPLEXED) == RAW
    assert lower_content_type((1, 42), MULTIPLEXED) == MULTIPLEXED


def test_lists_of_images():
    images = [{"RepoTags": [], "RepoDigests": [], "Size": 5, "Containers": 2}]
    assert lower(IMAGE_LIST, (1, 42), images) == [
        {
            "RepoTags": ["<none>:<none>"],
            "RepoDigests": ["<none>@<none>"],
            "Size": 5,
            "VirtualSize": 5,
            "Containers": -1,
        }
    ]
    assert lower(IMAGE_LIST, (1, 50), images)[0]["RepoTags"] == []
    assert "VirtualSize" not in lower(IMAGE_LIST, (1, 44), images)[0]


def test_inspected_images():
    image = {"Config": {"Cmd": ["sh"]}, "Size": 5}
    assert lower(IMAGE_INSPECT, (1, 49), image)["Config"]["Hostname"] == ""
    assert lower(IMAGE_INSPECT, (1, 49), image)["Config"]["Cmd"] == ["sh"]
    assert lower(IMAGE_INSPECT, (1, 50), image) == image
    old = lower(IMAGE_INSPECT, (1, 43), image)
    assert (old["VirtualSize"], old["Created"]) == (5, "0001-01-01T00:00:00Z")
    assert old["ContainerConfig"]["Cmd"] is None


def test_inspected_containers_had_their_short_id_as_alias():
    settings = {"net": {"Aliases": ["a"], "DNSNames": ["x"]}, "bridge": {"Aliases": None}}
    container = {"Id": "0123456789abcdef", "NetworkSettings": {"Networks": settings}}
    found = lower(INSPECT, (1, 44), container)["NetworkSettings"]["Networks"]
    assert found["net"] == {"Aliases": ["a", "0123456789ab"], "DNSNames": ["x"]}
    assert found["bridge"] == {"Aliases": None}
    found = lower(INSPECT, (1, 43), container)["NetworkSettings"]["Networks"]
    assert found["net"]["DNSNames"] is None


def test_lists_had_no_annotations():
    items = [{"HostConfig": {"NetworkMode": "b", "Annotations": {"a": "b"}}}]
    assert lower(LIST, (1, 45), items) == [{"HostConfig": {"NetworkMode": "b"}}]


def test_info_repeated_expected_versions():
    info = {"RuncCommit": {"ID": "x"}}
    assert lower(INFO, (1, 48), info)["RuncCommit"]["Expected"] == "x"
    assert lower(INFO, (1, 49), info) == {
        **info,
        "BridgeNfIptables": False,
        "BridgeNfIp6tables": False,
    }


def test_the_hardware_address_was_the_containers():
    document = raised(CREATE, (1, 43), {"Image": "a", "macaddress": "02:00:00:00:00:01"})
    endpoints = {"default": {"MacAddress": "02:00:00:00:00:01"}}
    assert document == {"Image": "a", "NetworkingConfig": {"EndpointsConfig": endpoints}}
    body = {
        "MacAddress": "02:00:00:00:00:01",
        "HostConfig": {"NetworkMode": "web"},
        "NetworkingConfig": {"EndpointsConfig": {"web": {"MacAddress": "x", "Aliases": ["a"]}}},
    }
    made = raised(CREATE, (1, 43), body)["NetworkingConfig"]["EndpointsConfig"]
    assert made == {"web": {"Aliases": ["a"], "MacAddress": "02:00:00:00:00:01"}}


@pytest.mark.parametrize("mode", ["host", "none", "container:x"])
def test_the_hardware_address_needs_a_network(mode):
    body = {"MacAddress": "02:00:00:00:00:01", "HostConfig": {"NetworkMode": mode}}
    with pytest.raises(InvalidArgument, match="conflicting options: mac-address"):
        raised(CREATE, (1, 43), body)
