"""Every reply of a live daemon is as published, in four versions of the API.

Where Docker itself breaks its definition, mostly by a null, clients know it by heart and we
follow Docker: `DOCKERS_OWN` lists these places.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from support.api import Api, now
from support.schemas import Schemas, load

pytestmark = pytest.mark.root

VERSIONS = ["1.41", "1.44", "1.47", "1.51"]
DOCKERS_OWN = {
    f"{operation} {fault}"
    for operation, faults in {
        "GET /containers/json": [
            "[].NetworkSettings.Networks{}.Aliases: null",
            "[].NetworkSettings.Networks{}.DNSNames: null",
            "[].NetworkSettings.Networks{}.Links: null",
        ],
        "GET /containers/{id}/json": [
            ".Config.Entrypoint: null",
            ".Config.Volumes: null",
            ".HostConfig.Binds: null",
            ".HostConfig.BlkioDeviceReadBps: null",
            ".HostConfig.BlkioDeviceReadIOps: null",
            ".HostConfig.BlkioDeviceWriteBps: null",
            ".HostConfig.BlkioDeviceWriteIOps: null",
            ".HostConfig.BlkioWeightDevice: null",
            ".HostConfig.CapAdd: null",
            ".HostConfig.CapDrop: null",
            ".HostConfig.DeviceCgroupRules: null",
            ".HostConfig.DeviceRequests: null",
            ".HostConfig.Devices: null",
            ".HostConfig.Dns: null",
            ".HostConfig.DnsOptions: null",
            ".HostConfig.DnsSearch: null",
            ".HostConfig.ExtraHosts: null",
            ".HostConfig.GroupAdd: null",
            ".HostConfig.Links: null",
            ".HostConfig.MemorySwappiness: null",
            ".HostConfig.OomKillDisable: null",
            ".HostConfig.PortBindings: null",
            ".HostConfig.SecurityOpt: null",
            ".HostConfig.Ulimits: null",
            ".HostConfig.VolumesFrom: null",
            ".NetworkSettings.Networks{}.Aliases: null",
            ".NetworkSettings.Networks{}.DNSNames: null",
            ".NetworkSettings.Networks{}.Links: null",
        ],
        "GET /containers/{id}/stats": [
            ".blkio_stats.io_service_bytes_recursive: null",
        ],
        "GET /exec/{id}/json": [
            ".ExitCode: null",
        ],
        "GET /images/json": [
            "[].Labels: null",
        ],
        "GET /images/{name}/history": [
            "[].Tags: null",
        ],
        "GET /images/{name}/json": [
            ".Config.Entrypoint: null",
            ".Config.Labels: null",
            ".Config.Volumes: null",
            ".ContainerConfig.Cmd: null",
            ".ContainerConfig.Entrypoint: null",
            ".ContainerConfig.Env: null",
            ".ContainerConfig.Labels: null",
            ".ContainerConfig.Volumes: null",
        ],
        "GET /info": [
            ".GenericResources: null",
            ".Plugins.Authorization: null",
        ],
        "GET /networks": [
            "[].IPAM.Config: null",
            "[].IPAM.Options: null",
        ],
        "GET /networks/{id}": [
            ".IPAM.Options: null",
        ],
        "GET /system/df": [
            ".Containers[].NetworkSettings.Networks{}.Aliases: null",
            ".Containers[].NetworkSettings.Networks{}.DNSNames: null",
            ".Containers[].NetworkSettings.Networks{}.Links: null",
            ".Images[].Labels: null",
            ".Volumes[].Labels: null",
            ".Volumes[].Options: null",
        ],
        "GET /volumes": [
            ".Volumes[].Labels: null",
            ".Volumes[].Options: null",
            ".Warnings: null",
        ],
        "GET /volumes/{name}": [
            ".Labels: null",
            ".Options: null",
        ],
        "POST /containers/prune": [
            ".ContainersDeleted: null",
        ],
        "POST /containers/{id}/update": [
            ".Warnings: null",
        ],
        "POST /images/prune": [
            ".ImagesDeleted: null",
        ],
        "POST /networks/prune": [
            ".NetworksDeleted: null",
        ],
        "POST /volumes/create": [
            ".Labels: null",
            ".Options: null",
        ],
    }.items()
    for fault in faults
}


@pytest.fixture(params=VERSIONS)
def spoken(request: pytest.FixtureRequest, api: Api) -> Api:
    return api.at(request.param)


def replies(api: Api) -> Iterator[tuple[str, object]]:
    """Operation and reply, for everything published."""
    host = {
        "Binds": ["/tmp:/t:ro", "bschema:/v"], "Tmpfs": {"/f": ""}, "Memory": 64 << 20,
        "PortBindings": {"80/tcp": [{"HostPort": ""}]}, "RestartPolicy": {"Name": "on-failure"},
        "LogConfig": {"Type": "json-file", "Config": {"max-size": "1m"}}, "CapAdd": ["NET_ADMIN"],
        "Ulimits": [{"Name": "nofile", "Soft": 1024, "Hard": 1024}], "ExtraHosts": ["a:1.2.3.4"],
    }  # fmt: skip
    body = api.create_body(
        "sleep", "600", HostConfig=host, ExposedPorts={"81/udp": {}}, Env=["A=1"],
        Healthcheck={"Test": ["CMD", "true"], "Interval": 10**8, "Retries": 1},
    )  # fmt: skip
    since = now()
    made = api.do("POST", "/containers/create", body)
    ref = made["Id"]
    api.made.append(ref)
    yield "POST /containers/create", made
    yield "GET /containers/{id}/json", api.inspect(ref)
    api.start(ref)
    api.until("its health", lambda: api.state(ref)["Health"]["Status"] == "healthy")
    yield "GET /containers/{id}/json", api.inspect(ref)
    yield "GET /containers/{id}/json", api.get(f"/containers/{ref}/json", size=1)
    plain = api.create("true")
    yield "GET /containers/{id}/json", api.inspect(plain)
    yield "GET /containers/json", api.get("/containers/json", all=1, size=1)
    yield "GET /containers/{id}/top", api.get(f"/containers/{ref}/top")
    yield "GET /containers/{id}/changes", api.get(f"/containers/{ref}/changes") or []
    yield "GET /containers/{id}/stats", api.get(f"/containers/{ref}/stats", stream=0)
    yield "GET /containers/{id}/stats", api.get(f"/containers/{plain}/stats", stream=0)
    yield "POST /containers/{id}/update", api.do("POST", f"/containers/{ref}/update", {})
    execs = api.do("POST", f"/containers/{ref}/exec", {"Cmd": ["sleep", "600"], "User": "0"})
    yield "POST /containers/{id}/exec", execs
    yield "GET /exec/{id}/json", api.get(f"/exec/{execs['Id']}/json")
    api.do("POST", f"/exec/{execs['Id']}/start", {"Detach": True})
    yield "GET /exec/{id}/json", api.get(f"/exec/{execs['Id']}/json")
    image = api.do("POST", "/commit", container=ref, repo="bschema", tag=f"v{api.version}")
    api.images.append(image["Id"])
    yield "POST /commit", image
    yield "GET /images/{name}/json", api.get(f"/images/{image['Id']}/json")
    yield "GET /images/{name}/json", api.get("/images/busybox/json")
    yield "GET /images/{name}/history", api.get(f"/images/{image['Id']}/history")
    yield "GET /images/json", api.get("/images/json", all=1)
    yield "GET /volumes", api.get("/volumes")
    yield "GET /volumes/{name}", api.get("/volumes/bschema")
    yield "POST /volumes/create", api.do("POST", "/volumes/create", {"Name": "bschema"})
    network = api.do("POST", "/networks/create", {"Name": f"bschema-{api.version}"})
    yield "POST /networks/create", network
    yield "GET /networks/{id}", api.get(f"/networks/{network['Id']}")
    yield "GET /networks/{id}", api.get("/networks/bridge")
    yield "GET /networks", api.get("/networks")
    api.do("DELETE", f"/networks/{network['Id']}")
    yield "GET /system/df", api.get("/system/df")
    yield "GET /info", api.get("/info")
    yield "GET /version", api.get("/version")
    api.do("POST", f"/containers/{ref}/kill")
    yield "POST /containers/{id}/wait", api.do("POST", f"/containers/{ref}/wait")
    api.close()
    nobody = json.dumps({"label": ["bschema-nobody"]})
    for noun in ("containers", "images", "networks", "volumes"):
        yield f"POST /{noun}/prune", api.do("POST", f"/{noun}/prune", filters=nobody)
    one = api.create("true", Labels={"bschema": "1"})
    some = json.dumps({"label": ["bschema"]})
    yield "POST /containers/prune", api.do("POST", "/containers/prune", filters=some)
    assert api.ask("GET", f"/containers/{one}/json").status == 404
    api.do("POST", "/images/busybox/tag", repo="bschema", tag="gone")
    yield "DELETE /images/{name}", api.do("DELETE", "/images/bschema:gone")
    for event in api.events(since):
        yield "GET /events", event
    api.do("DELETE", "/volumes/bschema")


def test_replies_are_as_published(spoken: Api) -> None:
    schemas = Schemas(spoken.version)
    asked: set[str] = set()
    faults: set[str] = set()
    for operation, reply in replies(spoken):
        asked.add(operation)
        faults |= {f"{operation} {fault}" for fault in schemas.faults(operation, reply)}
    assert faults - DOCKERS_OWN == set()
    assert asked == set(load(spoken.version)["operations"])
