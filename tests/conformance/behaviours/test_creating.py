"""Behaviours 17–50: what a create takes, fills in and refuses (docs/compatibility.md)."""

from __future__ import annotations

import json
import os

import pytest

from support.api import FOREIGN, Api, packed

pytestmark = pytest.mark.root

MIB = 1 << 20


def test_b017_a_create_needs_a_config(api: Api) -> None:
    message = api.refused(400, "POST", "/containers/create", {})
    assert message == "config cannot be empty in order to create a container"


def test_b018_something_must_run(api: Api) -> None:
    made = api.ask(
        "POST", "/images/create", data=packed(("bin", None)), fromSrc="-", repo="bsilent",
    )  # fmt: skip
    assert made.status == 200, made
    api.images.append("bsilent")
    body = {"Image": "bsilent"}
    assert api.refused(400, "POST", "/containers/create", body) == "no command specified"


def committed(api: Api, *changes: str) -> str:
    """An image of busybox with changes."""
    ref = api.create("true")
    made = api.do("POST", "/commit", container=ref, changes=changes, comment=repr(changes))["Id"]
    api.images.append(made)
    return str(made)


def test_b019_the_images_config_fills_what_is_silent(api: Api) -> None:
    image = committed(
        api,
        *("USER 7", "ENV A=image B=image", "EXPOSE 80", "LABEL a=image b=image"),
        *("WORKDIR /tmp", "VOLUME /vi", "STOPSIGNAL SIGINT", 'CMD ["x"]'),
        "HEALTHCHECK --interval=7s --retries=4 CMD a",
    )
    ref = api.create(
        "true", Image=image, Env=["A=user"], ExposedPorts={"81/udp": {}}, Labels={"a": "user"},
        Volumes={"/vu": {}}, Healthcheck={"Retries": 9},
    )  # fmt: skip
    config = api.inspect(ref)["Config"]
    assert config["User"] == "7"
    assert config["Env"][0] == "A=user"
    assert "B=image" in config["Env"]
    assert set(config["ExposedPorts"]) == {"80/tcp", "81/udp"}
    assert (config["Labels"]["a"], config["Labels"]["b"]) == ("user", "image")
    assert (config["WorkingDir"], config["StopSignal"]) == ("/tmp", "SIGINT")
    assert set(config["Volumes"]) == {"/vi", "/vu"}
    check = config["Healthcheck"]
    assert (check["Retries"], check["Interval"], check["Test"]) == (
        9, 7_000_000_000, ["CMD-SHELL", "a"],
    )  # fmt: skip


def test_b019_b020_an_entrypoint_of_the_users_clears_the_command(api: Api) -> None:
    image = committed(api, 'ENTRYPOINT ["/e"]', 'CMD ["c"]')
    silent = api.inspect(api.create(Image=image))
    assert (silent["Path"], silent["Args"]) == ("/e", ["c"])
    entered = api.inspect(api.create(Image=image, Entrypoint=["/u"]))
    assert (entered["Path"], entered["Args"]) == ("/u", [])
    told = api.inspect(api.create("d", Image=image))
    assert (told["Path"], told["Args"]) == ("/e", ["d"])
    cleared = api.inspect(api.create("d", Image=image, Entrypoint=[""]))
    assert (cleared["Path"], cleared["Args"]) == ("d", [])


def test_b021_the_environment_has_its_order(api: Api) -> None:
    output = api.output("env", Hostname="bhost", Env=["B=2", "A=1", "HOSTNAME=own"])
    names = [line.partition("=")[0] for line in output.splitlines()]
    assert names[:2] == ["PATH", "HOSTNAME"]
    assert names.index("B") < names.index("A")
    assert "HOSTNAME=own" in output
    assert "HOME=/root" in output


def test_b022_a_host_name_is_the_short_id_unless_it_is_given(api: Api) -> None:
    ref = api.create("true")
    assert api.inspect(ref)["Config"]["Hostname"] == ref[:12]
    assert api.output("hostname", Hostname="bgiven", Domainname="dom") == "bgiven\n"
    words = api.not_created(Hostname="x", HostConfig={"NetworkMode": f"container:{ref}"})
    assert words.startswith("conflicting options: hostname and the network mode")


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        ({"Name": "sometimes"}, "invalid restart policy: unknown policy 'sometimes'"),
        (
            {"Name": "always", "MaximumRetryCount": 3},
            "maximum retry count can only be used with 'on-failure'",
        ),
        ({"Name": "on-failure", "MaximumRetryCount": -1}, "cannot be negative"),
    ],
)
def test_b023_restart_policies_are_checked(api: Api, policy: object, words: str) -> None:
    assert words in api.not_created(HostConfig={"RestartPolicy": policy})


def test_b023_no_policy_is_no_and_none_goes_with_auto_removal(api: Api) -> None:
    host = api.inspect(api.create("true"))["HostConfig"]
    assert host["RestartPolicy"] == {"Name": "no", "MaximumRetryCount": 0}
    both = {"AutoRemove": True, "RestartPolicy": {"Name": "always"}}
    assert api.not_created(HostConfig=both) == (
        "can't create 'AutoRemove' container with restart policy"
    )


@pytest.mark.parametrize(
    ("host", "words"),
    [
        ({"Memory": 4 * MIB}, "Minimum memory limit allowed is 6MB"),
        (
            {"Memory": 64 * MIB, "MemorySwap": 32 * MIB},
            "Minimum memoryswap limit should be larger than memory limit, see usage",
        ),
        (
            {"MemorySwap": 32 * MIB},
            "You should always set the Memory limit when using Memoryswap limit, see usage",
        ),
        (
            {"Memory": 64 * MIB, "MemoryReservation": 65 * MIB},
            "Minimum memory limit can not be less than memory reservation limit, see usage",
        ),
        (
            {"Memory": 64 * MIB, "MemorySwappiness": 101},
            "Invalid value: 101, valid memory swappiness range is 0-100",
        ),
        (
            {"NanoCpus": 10**9, "CpuPeriod": 1000},
            "Conflicting options: Nano CPUs and CPU Period cannot both be set",
        ),
        ({"CpuQuota": 1}, "CPU cfs quota can not be less than 1ms (i.e. 1000)"),
        ({"ShmSize": -1}, "SHM size can not be less than 0"),
        ({"OomScoreAdj": 1001}, "Invalid value 1001, range for oom score adj is [-1000, 1000]"),
    ],
)
def test_b024_b025_b026_limits_are_checked(api: Api, host: object, words: str) -> None:
    assert words in api.not_created(HostConfig=host)


def test_b024_swap_is_twice_the_memory_where_nothing_is_said(api: Api) -> None:
    host = api.inspect(api.create("true", HostConfig={"Memory": 64 * MIB}))["HostConfig"]
    assert host["MemorySwap"] == 128 * MIB
    unlimited = {"Memory": 64 * MIB, "MemorySwap": -1}
    assert api.inspect(api.create("true", HostConfig=unlimited))["HostConfig"]["MemorySwap"] == -1


@pytest.mark.parametrize("limit", [0, -1, None])
def test_b026_no_limit_on_processes_is_null(api: Api, limit: int | None) -> None:
    host = api.inspect(api.create("true", HostConfig={"PidsLimit": limit}))["HostConfig"]
    assert host["PidsLimit"] is None


def test_b028_warnings_are_a_list_always(api: Api) -> None:
    made = api.do("POST", "/containers/create", api.create_body("true"))
    api.made.append(made["Id"])
    assert made["Warnings"] == []


def test_b029_an_image_for_another_platform_is_told(api: Api) -> None:
    body = api.create_body("true")
    other = "linux/s390x"
    message = api.refused(404, "POST", "/containers/create", body, platform=other)
    assert "busybox" in message
    assert other in message


def test_b030_networks_of_a_create(api: Api) -> None:
    mode = {"NetworkMode": "default"}
    host = api.inspect(api.create("true", HostConfig=mode))["HostConfig"]
    assert host["NetworkMode"] == "bridge"
    endpoints = {"EndpointsConfig": {"bridge": {}, "none": {}}}
    body = api.create_body("true", NetworkingConfig=endpoints)
    message = api.at("1.43").refused(400, "POST", "/containers/create", body)
    assert message.startswith("Container cannot be created with multiple network endpoints")


@pytest.mark.parametrize(
    ("bind", "words"),
    [
        ("/a:/b:rw:x", "invalid volume specification: '/a:/b:rw:x'"),
        ("/a:b", "mount path must be absolute"),
        ("/a:/", "destination can't be '/'"),
        ("/a:/b:what", "invalid mode: what"),
        ("/a:/b:ro,rw", "invalid mode: ro,rw"),
        (":/b", "invalid volume specification"),
    ],
)
def test_b031_binds_follow_their_grammar(api: Api, bind: str, words: str) -> None:
    # 500 by Docker, which is the wrong class for a mistake of the client's.
    status = 500 if FOREIGN else 400
    assert words in api.not_created(status=status, HostConfig={"Binds": [bind]})


def test_b031_one_destination_has_one_mount(api: Api) -> None:
    words = api.not_created(HostConfig={"Binds": ["/tmp:/b", "/opt:/b"]})
    assert words == "Duplicate mount point: /b"


@pytest.mark.parametrize(
    ("mount", "words"),
    [
        ({"Type": "bind", "Source": "/tmp"}, "field Target must not be empty"),
        ({"Type": "bind", "Target": "/t"}, "field Source must not be empty"),
        ({"Type": "tmpfs", "Source": "/x", "Target": "/t"}, "field Source must not be specified"),
        ({"Type": "odd", "Target": "/t"}, "mount type unknown"),
        (
            {"Type": "bind", "Source": "/no/such", "Target": "/t"},
            "bind source path does not exist: /no/such",
        ),
    ],
)
def test_b032_b033_mounts_are_refused_in_these_words(api: Api, mount: dict, words: str) -> None:
    message = api.not_created(HostConfig={"Mounts": [mount]})
    assert message == f'invalid mount config for type "{mount["Type"]}": {words}'


def test_b034_names_of_volumes_follow_their_grammar(api: Api) -> None:
    assert api.not_created(HostConfig={"Binds": ["a?b:/v"]}) == (
        'create a?b: "a?b" includes invalid characters for a local volume name, only '
        '"[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, use '
        "absolute path"
    )
    assert "volume name is too short, names should be at least two alphanumeric characters" in (
        api.not_created(HostConfig={"Binds": ["a:/v"]})
    )


def test_b035_a_volume_driver_that_is_not_there(api: Api) -> None:
    message = api.refused(
        404, "POST", "/containers/create",
        api.create_body("true", HostConfig={"Binds": ["bdriven:/v"], "VolumeDriver": "nodriver"}),
    )  # fmt: skip
    assert "nodriver" in message


@pytest.mark.parametrize(
    ("log", "words"),
    [
        ({"Type": "odd"}, "odd"),
        (
            {"Type": "json-file", "Config": {"odd": "1"}},
            "unknown log opt 'odd' for json-file log driver",
        ),
        (
            {"Type": "json-file", "Config": {"max-buffer-size": "1m"}},
            "logger: max-buffer-size option is only supported with 'mode=non-blocking'",
        ),
    ],
)
def test_b036_log_drivers_and_options_are_checked(api: Api, log: object, words: str) -> None:
    assert words in api.not_created(HostConfig={"LogConfig": log})


@pytest.mark.parametrize(
    ("host", "words"),
    [
        ({"ExtraHosts": ["h:x"]}, 'invalid IP address in add-host: "x"'),
        ({"ExtraHosts": ["h"]}, 'bad format for add-host: "h"'),
    ],
)
def test_b037_servers_and_extra_hosts_are_checked(api: Api, host: object, words: str) -> None:
    assert words in api.not_created(HostConfig=host)


def test_b037_host_gateway_is_an_address_of_the_hosts(api: Api) -> None:
    host = {"ExtraHosts": ["gate:host-gateway", "six:::1"]}
    hosts = api.output("cat", "/etc/hosts", HostConfig=host)
    assert any(line.split() == ["::1", "six"] for line in hosts.splitlines())
    (gate,) = (line for line in hosts.splitlines() if line.endswith("gate"))
    assert gate.split()[0].count(".") == 3


@pytest.mark.parametrize(
    "config",
    [
        {"Hostname": "h"},
        {"HostConfig": {"Links": ["x:y"]}},
        {"HostConfig": {"Dns": ["1.1.1.1"]}},
        {"HostConfig": {"ExtraHosts": ["h:1.1.1.1"]}},
        {"HostConfig": {"PortBindings": {"80/tcp": [{"HostPort": "1"}]}}},
        {"HostConfig": {"PublishAllPorts": True}},
        {"ExposedPorts": {"80/tcp": {}}},
    ],
    ids=str,
)
def test_b039_a_shared_network_takes_no_settings(api: Api, config: dict) -> None:
    other = api.create("true")
    host = {**config.get("HostConfig", {}), "NetworkMode": f"container:{other}"}
    message = api.not_created(**{**config, "HostConfig": host})
    assert message.startswith("conflicting options: ")


def test_b041_fields_of_windows_are_taken_and_mean_nothing(api: Api) -> None:
    host = {"CpuCount": 0, "CpuPercent": 0, "IOMaximumIOps": 0, "ConsoleSize": [0, 0]}
    assert api.create("true", HostConfig=host)


def test_b042_nulls_cases_and_single_words_are_understood(api: Api) -> None:
    body = {
        "image": "busybox", "CMD": "true", "Entrypoint": None, "Env": None, "Volumes": None,
        "ExposedPorts": None, "Labels": None, "Healthcheck": None, "WorkingDir": None,
        "hostconfig": {"Binds": None, "memory": 64 * MIB, "Devices": None, "RestartPolicy": None},
        "NetworkingConfig": None,
    }  # fmt: skip
    made = api.do("POST", "/containers/create", body)["Id"]
    api.made.append(made)
    found = api.inspect(made)
    assert (found["Path"], found["HostConfig"]["Memory"]) == ("true", 64 * MIB)


def test_b043_no_time_to_stop_differs_from_nothing_said(api: Api) -> None:
    none = api.inspect(api.create("true", StopTimeout=None))["Config"]
    zero = api.inspect(api.create("true", StopTimeout=0))["Config"]
    assert "StopTimeout" not in none
    assert zero["StopTimeout"] == 0


def test_b044_exposed_ports_have_a_protocol(api: Api) -> None:
    ref = api.create("true", ExposedPorts={"80/tcp": {}, "53/udp": {}})
    assert set(api.inspect(ref)["Config"]["ExposedPorts"]) == {"80/tcp", "53/udp"}
    bindings = {"PortBindings": {"x/tcp": [{"HostPort": "1"}]}}
    assert "invalid" in api.not_created(HostConfig=bindings).lower()


def test_b045_an_anonymous_volume_says_so(api: Api) -> None:
    ref = api.create("true", Volumes={"/v": {}})
    (mount,) = api.inspect(ref)["Mounts"]
    assert len(mount["Name"]) == 64
    labels = api.get(f"/volumes/{mount['Name']}")["Labels"]
    assert labels == {"com.docker.volume.anonymous": ""}
    api.do("DELETE", f"/containers/{ref}", v=1)
    api.refused(404, "GET", f"/volumes/{mount['Name']}")


def test_b046_sysctls_and_annotations_reach_the_container(api: Api) -> None:
    host = {"Sysctls": {"net.ipv4.ip_forward": "0"}, "Annotations": {"a": "b"}}
    ref = api.ended("cat", "/proc/sys/net/ipv4/ip_forward", HostConfig=host)
    assert api.log(ref) == "0\n"
    assert api.inspect(ref)["HostConfig"]["Annotations"] == {"a": "b"}
    wrong = {"Sysctls": {"net.ipv4.ip_forward": "0"}, "NetworkMode": "host"}
    assert "network namespace" in refusal_of_start(api, wrong)


def refusal_of_start(api: Api, host: dict) -> str:
    """Why a container with this host config cannot be had, at create or at start."""
    reply = api.ask("POST", "/containers/create", api.create_body("true", HostConfig=host))
    if reply.status == 201:
        api.made.append(reply.json["Id"])
        reply = api.ask("POST", f"/containers/{reply.json['Id']}/start")
    assert reply.status >= 400
    return reply.message


def test_b047_a_console_has_height_and_width(api: Api) -> None:
    host = {"ConsoleSize": [31, 77]}
    ref = api.ended("sh", "-c", "stty size", Tty=True, HostConfig=host)
    assert api.inspect(ref)["HostConfig"]["ConsoleSize"] == [31, 77]
    assert api.ask("GET", f"/containers/{ref}/logs", stdout=1).body == b"31 77\r\n"


@pytest.mark.parametrize(
    ("check", "words"),
    [
        ({"Interval": 1}, "Interval in Healthcheck cannot be less than "),
        ({"Timeout": 999_999}, "Timeout in Healthcheck cannot be less than "),
        ({"Retries": -1}, "Retries in Healthcheck cannot be"),
    ],
)
def test_b048_health_checks_are_checked(api: Api, check: dict, words: str) -> None:
    assert words in api.not_created(Healthcheck={"Test": ["CMD", "true"], **check})


def test_b049_devices_without_a_driver_are_refused_by_what_was_asked_for(api: Api) -> None:
    request = {"Driver": "", "Count": -1, "Capabilities": [["gpu"]]}
    words = refusal_of_start(api, {"DeviceRequests": [request]})
    assert words.endswith('could not select device driver "" with capabilities: [[gpu]]')


def test_b050_a_body_may_come_in_chunks(api: Api) -> None:
    body = json.dumps(api.create_body("true")).encode()
    chunked = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    reply = api.ask(
        "POST", "/containers/create", data=chunked, name="bchunked",
        headers={"Transfer-Encoding": "chunked", "Content-Type": "application/json"},
    )  # fmt: skip
    assert reply.status == 201, reply
    api.made.append(reply.json["Id"])
    assert api.inspect("bchunked")["Id"] == reply.json["Id"]


def test_b025_no_more_processors_than_there_are(api: Api) -> None:
    cpus = len(os.sched_getaffinity(0))
    words = api.not_created(HostConfig={"NanoCpus": (cpus + 1) * 10**9})
    assert words == (
        f"range of CPUs is from 0.01 to {cpus}.00, as there are only {cpus} CPUs available"
    )
