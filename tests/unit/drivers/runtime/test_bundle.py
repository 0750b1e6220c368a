import msgspec
import pytest
from msgspec import Raw, structs

from support.runtime_world import make_container, make_plan
from wharfie.drivers.runtime.bundle import Defaults, build_exec, build_spec, cgroup_path
from wharfie.drivers.runtime.identity import ProcessUser
from wharfie.drivers.runtime.seccomp import BPF_ANNOTATION, Filter
from wharfie.formats.oci.runtime import DEFAULT_MASKED_PATHS, Namespace, Spec, User
from wharfie.model.container import Config, HostConfig
from wharfie.model.errors import InvalidArgument
from wharfie.model.exec import ExecConfig
from wharfie.model.runtime import BundleMount, Namespaces

ROOT = ProcessUser(User(0, 0, (0,)), "/root")
FILTER = Filter(Raw(b'{"defaultAction":"SCMP_ACT_ERRNO"}'), "AAAA")


def _spec(
    host: HostConfig | None = None,
    *,
    config: Config | None = None,
    namespaces: Namespaces | None = None,
    mounts: tuple[BundleMount, ...] = (),
    seccomp: Filter | None = FILTER,
    compiled: bool = True,
    defaults: Defaults | None = None,
) -> Spec:
    container = make_container(["prog", "arg"], host=host, config=config)
    plan = make_plan(container, namespaces=namespaces, mounts=mounts, environment=["A=1"])
    return build_spec(
        plan, ROOT, seccomp, compiled_seccomp=compiled, defaults=defaults or Defaults()
    )


def test_the_document_has_the_specifications_names() -> None:
    document = msgspec.json.decode(msgspec.json.encode(_spec()))
    assert document["ociVersion"] == "1.0.2"
    assert document["process"]["args"] == ["prog", "arg"]
    assert document["process"]["env"] == ["A=1", "HOME=/root"]
    assert document["process"]["user"] == {"uid": 0, "gid": 0, "additionalGids": [0]}
    assert document["process"]["capabilities"]["inheritable"] == []
    assert document["linux"]["cgroupsPath"].startswith("/docker/")
    assert set(DEFAULT_MASKED_PATHS) <= set(document["linux"]["maskedPaths"])
    assert document["root"] == {"path": "rootfs"}


def test_a_filter_takes_the_form_the_runtime_knows() -> None:
    compiled = _spec()
    assert compiled.annotations[BPF_ANNOTATION] == "AAAA"
    assert compiled.linux.seccomp is None
    plain = _spec(compiled=False)
    assert BPF_ANNOTATION not in plain.annotations
    assert plain.linux.seccomp == FILTER.section


def test_a_user_cannot_smuggle_a_filter_in() -> None:
    host = HostConfig(annotations={BPF_ANNOTATION: "evil", "kept": "1"})
    assert _spec(host).annotations == {BPF_ANNOTATION: "AAAA", "kept": "1"}
    assert _spec(host, seccomp=None).annotations == {"kept": "1"}
    assert _spec(host, compiled=False).annotations == {"kept": "1"}


def test_namespaces_are_made_joined_or_left() -> None:
    shared = Namespaces(network="/proc/7/ns/net", pid="", ipc=None, uts="", cgroup="")
    spec = _spec(namespaces=shared, config=Config(domainname="d"))
    assert spec.linux.namespaces == (
        Namespace("mount"),
        Namespace("network", "/proc/7/ns/net"),
        Namespace("ipc"),
    )
    assert spec.hostname == ""
    assert "kernel.domainname" not in spec.linux.sysctl


@pytest.mark.parametrize(
    ("host", "namespaces"),
    [
        (HostConfig(network_mode="host"), Namespaces(network="")),
        (HostConfig(network_mode="container:x"), Namespaces(network="/proc/7/ns/net")),
    ],
)
def test_network_settings_of_others_are_left_alone(
    host: HostConfig, namespaces: Namespaces
) -> None:
    assert _spec(host, namespaces=namespaces).linux.sysctl == {}


def test_own_sysctls_win() -> None:
    host = HostConfig(sysctls={"net.ipv4.ip_unprivileged_port_start": "1024"})
    assert _spec(host).linux.sysctl["net.ipv4.ip_unprivileged_port_start"] == "1024"


def test_unmasked_paths() -> None:
    for host in (
        HostConfig(security_opt=["systempaths=unconfined"]),
        HostConfig(masked_paths=[], readonly_paths=[]),
        HostConfig(privileged=True),
    ):
        spec = _spec(host)
        assert (spec.linux.masked_paths, spec.linux.readonly_paths) == ((), ())


def test_a_mount_of_ones_own_replaces_the_standard_one() -> None:
    own = BundleMount(type="tmpfs", source="", destination="/dev/shm", options=["size=1m"])
    mounts = [m for m in _spec(mounts=(own,)).mounts if m.destination == "/dev/shm"]
    assert [m.options for m in mounts] == [("size=1m",)]
    dev = BundleMount(type="bind", source="/dev", destination="/dev", options=["rbind"])
    below = [m.destination for m in _spec(mounts=(dev,)).mounts if m.destination[:4] == "/dev"]
    assert below == ["/dev"]


def test_host_ipc_brings_the_hosts_shared_memory() -> None:
    mounts = {m.destination: m for m in _spec(namespaces=Namespaces(ipc="")).mounts}
    assert mounts["/dev/shm"].type == "bind"
    queue = mounts.get("/dev/mqueue")
    assert queue is None or queue.type == "bind"  # where the host has one


def test_shared_mounts_need_a_shared_root() -> None:
    def mount(option: str) -> tuple[BundleMount]:
        return (BundleMount(type="bind", source="/a", destination="/a", options=[option]),)

    assert _spec(mounts=mount("rshared")).linux.rootfs_propagation == "shared"
    assert _spec(mounts=mount("rslave")).linux.rootfs_propagation == "rslave"
    assert _spec(mounts=mount("rprivate")).linux.rootfs_propagation == ""


def test_init_runs_the_program() -> None:
    spec = _spec(HostConfig(init=True), defaults=Defaults(init_path="/usr/bin/tini"))
    assert spec.process.args == ["/sbin/docker-init", "--", "prog", "arg"]
    assert spec.mounts[-1].source == "/usr/bin/tini"


def test_init_without_a_program_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="docker-init or tini"):
        _spec(HostConfig(init=True))


def test_init_has_no_place_in_a_shared_pid_namespace() -> None:
    defaults = Defaults(init=True, init_path="/usr/bin/tini")
    spec = _spec(namespaces=Namespaces(pid=""), defaults=defaults)
    assert spec.process.args == ["prog", "arg"]


def test_cgroup_parent_cannot_climb() -> None:
    container = make_container(["x"], host=HostConfig(cgroup_parent="/../../other"))
    assert cgroup_path(container, Defaults()) == f"/other/{container.id}"
    plain = structs.replace(container, host_config=HostConfig())
    assert cgroup_path(plain, Defaults(cgroup_parent="mine")) == f"/mine/{plain.id}"


def test_exec_takes_the_containers_directory_and_limits() -> None:
    container = make_container(["x"], config=Config(working_dir="/w"))
    process = build_exec(container, ExecConfig(cmd=["a"]), ROOT, ["HOME=/h"], Defaults())
    assert (process.cwd, process.env, process.terminal) == ("/w", ["HOME=/h"], False)
    sized = ExecConfig(cmd=["a"], tty=True, console_size=[5, 6], working_dir="/x")
    process = build_exec(container, sized, ROOT, [], Defaults())
    assert process.cwd == "/x"
    assert process.console_size is not None
    assert (process.console_size.height, process.console_size.width) == (5, 6)


def test_b185_an_exec_in_a_privileged_container_is_unconfined_too() -> None:
    def profile(*, container: bool, process: bool) -> str:
        record = make_container(["x"], host=HostConfig(privileged=container))
        config = ExecConfig(cmd=["a"], privileged=process)
        return build_exec(record, config, ROOT, [], Defaults(apparmor=True)).apparmor_profile

    assert profile(container=False, process=False) == "docker-default"
    assert profile(container=True, process=False) == "unconfined"
    assert profile(container=False, process=True) == "unconfined"
