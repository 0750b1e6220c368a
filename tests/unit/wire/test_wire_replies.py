"""Where genuine Docker sends null, empty, or nothing at all."""

import msgspec
import pytest
from msgspec import structs

from support.http_services import IMAGE_ID, sample_container, sample_image
from wharfie.model.container import NEVER, State, Status
from wharfie.model.event import Actor, Event
from wharfie.model.exec import Exec, ExecConfig
from wharfie.model.image import History, ImageDocument, RootFS
from wharfie.model.network import Endpoint, Network
from wharfie.model.volume import Volume
from wharfie.wire.containers import ContainerInspect, ContainerSummary, spell_status
from wharfie.wire.events import EventMessage
from wharfie.wire.execs import ExecInspect
from wharfie.wire.images import ImageInspect, ImageSummary, history_of
from wharfie.wire.networks import NetworkInspect
from wharfie.wire.times import human_duration
from wharfie.wire.volumes import VolumeInspect


def sent(value):
    return msgspec.json.decode(msgspec.json.encode(value))


def summary(**changes):
    container = sample_container(**changes)
    return sent(ContainerSummary.of(container, image="busybox", status="Up"))


def test_list_items():
    item = summary()
    assert item["Names"] == ["/web1"]
    assert item["ImageID"] == IMAGE_ID
    assert item["Command"] == "sh -c 'sleep 9'"
    assert item["Ports"] == [
        {"IP": "0.0.0.0", "PrivatePort": 80, "PublicPort": 8080, "Type": "tcp"},
        {"PrivatePort": 81, "Type": "udp"},
    ]
    assert item["HostConfig"] == {"NetworkMode": "bridge"}
    assert item["Mounts"] == []
    assert not {"SizeRw", "SizeRootFs"} & set(item)
    endpoint = item["NetworkSettings"]["Networks"]["bridge"]
    assert (endpoint["IPAddress"], endpoint["DNSNames"]) == ("172.17.0.2", None)


def test_stopped_list_items_have_empty_ports():
    assert summary(ports={})["Ports"] == []


def test_inspect_of_a_running_container():
    reply = sent(ContainerInspect.of(sample_container()))
    assert reply["Name"] == "/web1"
    assert reply["Image"] == IMAGE_ID
    assert reply["ExecIDs"] is None
    assert reply["GraphDriver"] == {"Data": None, "Name": "overlay2"}
    assert "SizeRw" not in reply
    assert reply["State"]["FinishedAt"] == NEVER
    assert "Health" not in reply["State"]
    settings = reply["NetworkSettings"]
    assert settings["IPAddress"] == "172.17.0.2"
    assert settings["Ports"] == {
        "80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8080"}],
        "81/udp": None,
    }
    assert settings["SecondaryIPAddresses"] is None
    assert settings["SandboxKey"] == "/proc/42/ns/net"
    host = reply["HostConfig"]
    for name in ("Binds", "CapAdd", "Links", "MemorySwappiness", "PidsLimit", "DeviceRequests"):
        assert host[name] is None, name
    for name in ("Dns", "DnsOptions", "DnsSearch", "Devices", "Ulimits", "BlkioWeightDevice"):
        assert host[name] is None, name
    for name in ("Annotations", "Mounts", "Init", "Tmpfs", "Sysctls", "StorageOpt"):
        assert name not in host
    config = reply["Config"]
    assert (config["Entrypoint"], config["Volumes"], config["OnBuild"]) == (None, None, None)
    for name in ("ExposedPorts", "Healthcheck", "StopTimeout", "StopSignal", "Shell"):
        assert name not in config


def test_inspect_of_a_created_container():
    container = sample_container(
        state=State(), networks={}, ports={}, sandbox_id="", config=sample_container().config
    )
    reply = sent(ContainerInspect.of(container))
    assert reply["State"] == {
        "Status": "created",
        "Running": False,
        "Paused": False,
        "Restarting": False,
        "OOMKilled": False,
        "Dead": False,
        "Pid": 0,
        "ExitCode": 0,
        "Error": "",
        "StartedAt": NEVER,
        "FinishedAt": NEVER,
    }
    assert reply["NetworkSettings"]["SandboxKey"] == ""
    assert reply["NetworkSettings"]["Ports"] == {}


@pytest.mark.parametrize(
    ("status", "running", "paused", "restarting"),
    [
        (Status.RUNNING, True, False, False),
        (Status.PAUSED, True, True, False),
        (Status.RESTARTING, True, False, True),
        (Status.EXITED, False, False, False),
        (Status.DEAD, False, False, False),
    ],
)
def test_running_stays_true_while_paused_and_restarting(status, running, paused, restarting):
    container = sample_container(state=State(status=status))
    state = sent(ContainerInspect.of(container))["State"]
    assert (state["Running"], state["Paused"], state["Restarting"]) == (running, paused, restarting)


@pytest.mark.parametrize(
    ("state", "text"),
    [
        (State(), "Created"),
        (State(status=Status.DEAD), "Dead"),
        (State(status=Status.REMOVING), "Removal In Progress"),
        (State(status=Status.PAUSED, started_at="1970-01-01T00:00:00Z"), "Up 5 seconds (Paused)"),
        (
            State(status=Status.RESTARTING, exit_code=2, finished_at="1970-01-01T00:00:01Z"),
            "Restarting (2) 4 seconds ago",
        ),
        (
            State(
                status=Status.EXITED,
                started_at="1970-01-01T00:00:01Z",
                finished_at="1970-01-01T00:00:02.5Z",
            ),
            "Exited (0) 2 seconds ago",
        ),
    ],
)
def test_status_texts(state, text):
    assert spell_status(state, 5)[0] == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "Less than a second"),
        (47 * 3600, "47 hours"),
        (48 * 3600, "2 days"),
        (13 * 86400, "13 days"),
        (14 * 86400, "2 weeks"),
        (60 * 86400, "2 months"),
        (729 * 86400, "24 months"),
        (731 * 86400, "2 years"),
    ],
)
def test_long_durations(seconds, text):
    assert human_duration(seconds)[0] == text


@pytest.mark.parametrize("start", [0, 0.5, 59, 61, 3000, 3599, 5000, 90_000, 2_000_000, 70_000_000])
def test_texts_hold_exactly_until_they_say(start):
    text, until = human_duration(start)
    assert until > start
    assert human_duration(until - 0.001)[0] == text


def test_images_in_lists():
    item = sent(ImageSummary.of(sample_image()))
    assert item["RepoTags"] == ["busybox:latest"]
    assert item["RepoDigests"] == []
    assert item["Labels"] is None
    assert (item["SharedSize"], item["Containers"], item["ParentId"]) == (-1, -1, "")
    assert item["Created"] == 1767225600
    bare = sample_image(document=ImageDocument(), tags=[])
    assert (sent(ImageSummary.of(bare))["RepoTags"], sent(ImageSummary.of(bare))["Created"]) == (
        [],
        0,
    )


def test_inspected_images():
    reply = sent(ImageInspect.of(sample_image(), graph={"UpperDir": "/u"}))
    assert reply["Id"] == IMAGE_ID
    assert reply["Config"]["Cmd"] == ["sh"]
    assert reply["Config"]["Entrypoint"] is None
    assert "Healthcheck" not in reply["Config"]
    assert reply["GraphDriver"]["Data"] == {"UpperDir": "/u"}
    assert not {"Variant", "OsVersion", "VirtualSize", "Container"} & set(reply)
    bare = sent(ImageInspect.of(sample_image(document=ImageDocument())))
    assert bare["Config"] is None
    assert "Created" not in bare
    assert "Layers" not in bare["RootFS"]


def test_history_is_newest_first_and_only_the_newest_has_an_id():
    document = ImageDocument(
        rootfs=RootFS(diff_ids=["sha256:a", "sha256:b"]),
        history=[
            History(created="2026-01-01T00:00:00Z", created_by="ADD"),
            History(created_by="ENV", empty_layer=True),
            History(created_by="RUN"),
        ],
    )
    items = sent(history_of(sample_image(document=document), [10, 20]))
    assert [(i["Id"], i["CreatedBy"], i["Size"]) for i in items] == [
        (IMAGE_ID, "RUN", 20),
        ("<missing>", "ENV", 0),
        ("<missing>", "ADD", 10),
    ]
    assert [i["Tags"] for i in items] == [["busybox:latest"], None, None]


def test_history_names_the_images_it_went_through():
    steps = [History(created_by=name) for name in ("ADD", "one", "two")]
    image = sample_image(document=ImageDocument(history=steps))
    parents = [
        sample_image(id="sha256:" + letter * 64, tags=[f"docker.io/library/{letter}:1"])
        for letter in "bcde"
    ]
    items = sent(history_of(image, [1, 2, 3], parents))
    assert [(i["Id"], i["Tags"]) for i in items] == [
        (IMAGE_ID, ["busybox:latest"]),
        ("sha256:" + "b" * 64, ["b:1"]),
        ("sha256:" + "c" * 64, ["c:1"]),
    ]


def test_networks():
    network = Network(id="n" * 64, name="net", created="2026-01-01T00:00:00Z")
    endpoint = Endpoint(
        id="e",
        network_id="n",
        interface="eth0",
        host_interface="veth",
        mac_address="02:",
        address="172.18.0.2",
        prefix=16,
    )
    reply = sent(NetworkInspect.of(network, {"c": endpoint}, {"c": "web"}))
    assert reply["Containers"] == {
        "c": {
            "Name": "web",
            "EndpointID": "e",
            "MacAddress": "02:",
            "IPv4Address": "172.18.0.2/16",
            "IPv6Address": "",
        }
    }
    assert reply["ConfigFrom"] == {"Network": ""}
    assert (reply["Options"], reply["Labels"]) == ({}, {})
    assert sent(NetworkInspect.of(network))["Containers"] == {}


def test_volumes():
    volume = Volume(name="v", mountpoint="/v", created="2026-01-02T03:04:05.678Z")
    assert sent(VolumeInspect.of(volume)) == {
        "CreatedAt": "2026-01-02T03:04:05Z",
        "Driver": "local",
        "Labels": None,
        "Mountpoint": "/v",
        "Name": "v",
        "Options": None,
        "Scope": "local",
    }
    labelled = structs.replace(volume, labels={"a": ""})
    assert sent(VolumeInspect.of(labelled))["Labels"] == {"a": ""}


def test_execs():
    record = Exec(id="x", container_id="c", config=ExecConfig(cmd=["sh", "-c"], user="u", tty=True))
    reply = sent(ExecInspect.of(record))
    assert (reply["ExitCode"], reply["Running"], reply["Pid"]) == (None, False, 0)
    assert reply["ProcessConfig"]["user"] == "u"
    assert reply["ProcessConfig"]["arguments"] == ["-c"]
    assert sent(ExecInspect.of(structs.replace(record, exit_code=0)))["ExitCode"] == 0


def test_older_fields_of_events():
    actor = Actor(id="i", attributes={"image": "busybox"})
    event = Event(type="container", action="die", actor=actor, time=1, time_nano=2)
    assert list(sent(EventMessage.of(event)))[:3] == ["status", "id", "from"]
    event = structs.replace(event, type="volume")
    assert not {"status", "id", "from"} & set(sent(EventMessage.of(event)))
