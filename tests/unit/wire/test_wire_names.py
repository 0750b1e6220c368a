"""Every Struct that goes over the wire spells its fields as the published definition does."""

from pathlib import Path

import msgspec
import pytest
import yaml

from wharfie.engine.exec import ExecStart
from wharfie.engine.networks import NetworkCreate
from wharfie.model import container, event, image, network, usage
from wharfie.model import exec as exec_model
from wharfie.wire import containers, errors, events, execs, images, networks, stats, system, volumes

NAMES = yaml.safe_load(
    (Path(__file__).parents[2] / "golden/engine-api-v1.51-names.yaml").read_text()
)

# Struct, definition, documented names we leave out, names Docker has but does not document
CASES = [
    (container.Config, "ContainerConfig", set(), set()),
    (container.HealthConfig, "HealthConfig", set(), set()),
    (container.HostConfig, "HostConfig", {"KernelMemoryTCP"}, set()),
    (container.HostConfig, "Resources", {"KernelMemoryTCP"}, None),
    (container.RestartPolicy, "RestartPolicy", set(), set()),
    (container.LogConfig, "HostConfig.LogConfig", set(), set()),
    (container.DeviceMapping, "DeviceMapping", set(), set()),
    (container.DeviceRequest, "DeviceRequest", set(), set()),
    (container.Ulimit, "Resources.Ulimit", set(), set()),
    (container.WeightDevice, "Resources.WeightDevice", set(), set()),
    (container.ThrottleDevice, "ThrottleDevice", set(), set()),
    (container.MountSpec, "Mount", set(), set()),
    (container.BindOptions, "Mount.BindOptions", set(), set()),
    (container.VolumeOptions, "Mount.VolumeOptions", set(), set()),
    (container.TmpfsOptions, "Mount.TmpfsOptions", set(), set()),
    (container.MountPoint, "MountPoint", set(), set()),
    (container.Created, "ContainerCreateResponse", set(), set()),
    (container.NetworkingConfig, "NetworkingConfig", set(), set()),
    (network.EndpointSettings, "EndpointSettings", set(), set()),
    (network.EndpointIPAMConfig, "EndpointIPAMConfig", set(), set()),
    (network.IPAM, "IPAM", set(), set()),
    (network.IPAMConfig, "IPAMConfig", set(), set()),
    (network.PortBinding, "PortBinding", set(), {"AllowFrom"}),
    (event.Actor, "EventActor", set(), set()),
    (exec_model.ExecConfig, "ExecConfig", set(), set()),
    (ExecStart, "ExecStartBody", set(), set()),
    (NetworkCreate, "NetworkCreateRequest", set(), set()),
    (image.ImageConfig, "ImageConfig", set(), set()),
    (containers.ContainerSummary, "ContainerSummary", {"ImageManifestDescriptor"}, set()),
    (containers.SummaryHostConfig, "ContainerSummary.HostConfig", set(), set()),
    (containers.SummaryNetworkSettings, "ContainerSummary.NetworkSettings", set(), set()),
    (containers.Port, "Port", set(), set()),
    (containers.ContainerState, "ContainerState", set(), set()),
    (containers.ContainerInspect, "ContainerInspectResponse", {"ImageManifestDescriptor"}, set()),
    (containers.NetworkSettings, "NetworkSettings", set(), set()),
    (containers.GraphDriver, "DriverData", set(), set()),
    (containers.WaitReply, "ContainerWaitResponse", set(), set()),
    (containers.WaitError, "ContainerWaitExitError", set(), set()),
    (containers.TopReply, "ContainerTopResponse", set(), set()),
    (containers.ContainersPruned, "ContainerPruneResponse", set(), set()),
    (containers.FilesystemChange, "FilesystemChange", set(), set()),
    (containers.IdReply, "IDResponse", set(), set()),
    (images.ImageSummary, "ImageSummary", {"Descriptor"}, set()),
    (images.ImageInspect, "ImageInspect", {"Descriptor"}, set()),
    (images.RootFS, "ImageInspect.RootFS", set(), set()),
    (images.Metadata, "ImageInspect.Metadata", set(), set()),
    (images.HistoryItem, "HistoryResponseItem", set(), set()),
    (images.DeletedImage, "ImageDeleteResponseItem", set(), set()),
    (images.ImagesPruned, "ImagePruneResponse", set(), set()),
    (networks.NetworkInspect, "Network", {"Peers"}, set()),
    (networks.NetworkContainer, "NetworkContainer", set(), set()),
    (networks.ConfigReference, "ConfigReference", set(), set()),
    (networks.NetworkCreated, "NetworkCreateResponse", set(), set()),
    (networks.NetworksPruned, "NetworkPruneResponse", set(), set()),
    (volumes.VolumeInspect, "Volume", {"Status", "ClusterVolume"}, set()),
    (volumes.UsageData, "Volume.UsageData", set(), set()),
    (volumes.VolumeList, "VolumeListResponse", set(), set()),
    (volumes.VolumeCreate, "VolumeCreateOptions", set(), set()),
    (volumes.VolumesPruned, "VolumePruneResponse", set(), set()),
    (execs.ExecInspect, "ExecInspectResponse", set(), set()),
    (execs.ProcessConfig, "ProcessConfig", set(), set()),
    (containers.UpdateReply, "ContainerUpdateResponse", set(), set()),
    (stats.StatsReply, "ContainerStatsResponse", set(), set()),
    (usage.BlkioStats, "ContainerBlkioStats", set(), set()),
    (usage.BlkioEntry, "ContainerBlkioStatEntry", set(), set()),
    (usage.CpuStats, "ContainerCPUStats", set(), set()),
    (usage.CpuUsage, "ContainerCPUUsage", set(), set()),
    (usage.Throttling, "ContainerThrottlingData", set(), set()),
    (
        usage.MemoryStats,
        "ContainerMemoryStats",
        {"commitbytes", "commitpeakbytes", "privateworkingset"},  # of Windows
        set(),
    ),
    (usage.PidsStats, "ContainerPidsStats", set(), set()),
    (usage.NetworkStats, "ContainerNetworkStats", {"endpoint_id", "instance_id"}, set()),
    (events.EventMessage, "EventMessage", set(), {"status", "id", "from"}),
    (system.Version, "SystemVersion", {"Experimental"}, set()),
    (system.PlatformName, "SystemVersion.Platform", set(), set()),
    (system.Component, "SystemVersion.Component", set(), set()),
    (
        system.Info,
        "SystemInfo",
        {
            "KernelMemoryTCP",
            "ProductLicense",
            "DefaultAddressPools",
            "FirewallBackend",
            "DiscoveredDevices",
            "Containerd",
        },
        set(),
    ),
    (system.Plugins, "PluginsInfo", set(), set()),
    (system.RegistryConfig, "RegistryServiceConfig", set(), set()),
    (system.IndexConfig, "IndexInfo", set(), set()),
    (system.RuntimeInfo, "Runtime", {"runtimeArgs", "status"}, set()),
    (system.Commit, "Commit", set(), set()),
    (system.Swarm, "SwarmInfo", {"Nodes", "Managers", "Cluster"}, set()),
    (system.DiskUsage, "SystemDataUsageResponse", set(), set()),
    (errors.ErrorBody, "ErrorResponse", set(), set()),
]


@pytest.mark.parametrize(
    ("struct", "definition", "left_out", "undocumented"),
    CASES,
    ids=[f"{case[0].__name__}-{case[1]}" for case in CASES],
)
def test_names_are_the_published_ones(struct, definition, left_out, undocumented):
    ours = {field.encode_name for field in msgspec.structs.fields(struct)}
    theirs = set(NAMES[definition])
    assert theirs - ours == left_out
    if undocumented is not None:
        assert ours - theirs == undocumented
