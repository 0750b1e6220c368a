"""Log options: what is refused at create, what the supervisor is told, tags and attributes."""

from __future__ import annotations

import pytest
from msgspec import structs

from wharfie.engine.containers.logs.drivers import check_log_config
from wharfie.engine.containers.logs.info import extra_attributes, render_tag
from wharfie.engine.containers.logs.spec import log_location, log_spec
from wharfie.engine.containers.rootfs.directories import ContainerDirectories
from wharfie.model.container import Config, Container, HostConfig, LogConfig
from wharfie.model.errors import Internal, InvalidArgument
from wharfie.model.ids import ContainerId, ImageId
from wharfie.model.logs import LogFormat
from wharfie.model.task import LogSpec

DIRECTORIES = ContainerDirectories("/data")
BASE = Container(
    id=ContainerId("ab" * 32),
    name="web",
    created="2026-01-01T00:00:00.000000000Z",
    created_at=1,
    path="sh",
    args=["-c", "true"],
    config=Config(labels={"tier": "front", "team": "x"}, env=["A=1", "ABC=2", "B=3", "odd"]),
    host_config=HostConfig(),
    image=ImageId("sha256:0123456789"),
    image_ref="busybox:1",
)


def container(driver: str = "json-file", **options: str) -> Container:
    spelled = {key.replace("_", "-"): value for key, value in options.items()}
    config = HostConfig(log_config=LogConfig(type=driver, config=spelled))
    return structs.replace(BASE, host_config=config)


def spec(driver: str = "json-file", **options: str) -> LogSpec:
    return log_spec(container(driver, **options), DIRECTORIES, "host")


@pytest.mark.parametrize(
    ("driver", "options", "words"),
    [
        ("x", {}, 'error looking up logging plugin x: plugin "x" not found'),
        ("json-file", {"x": ""}, "unknown log opt 'x' for json-file log driver"),
        ("json-file", {"syslog-address": ""}, "unknown log opt 'syslog-address' for json-file"),
        ("local", {"x": ""}, "unknown log opt 'x' for log driver local"),
        ("journald", {"x": ""}, "unknown log opt 'x' for journald log driver"),
        ("syslog", {"x": ""}, "unknown log opt 'x' for syslog log driver"),
        ("fluentd", {"x": ""}, "unknown log opt 'x' for fluentd log driver"),
        ("gelf", {"gelf-address": "udp://h:1", "x": ""}, 'unknown log opt "x" for gelf log driver'),
        ("json-file", {"mode": "x"}, "logger: logging mode not supported: x"),
        ("json-file", {"max-buffer-size": "1m"}, "logger: max-buffer-size option is only supported "
                                                 "with 'mode=non-blocking'"),
        ("json-file", {"mode": "non-blocking", "max-buffer-size": "x"},
         "error parsing option max-buffer-size: invalid size: 'x'"),
        ("syslog", {"cache-disabled": "x"}, "invalid value for option cache-disabled: x"),
        ("syslog", {"syslog-address": "x"},
         "unsupported scheme: ''"),
        ("syslog", {"syslog-facility": "24"}, "invalid syslog facility"),
        ("syslog", {"syslog-facility": "x"}, "invalid syslog facility"),
        ("syslog", {"syslog-format": "x"}, "Invalid syslog format"),
        ("gelf", {}, "gelf-address is a required parameter"),
        ("gelf", {"gelf-address": "x"}, "gelf-address should be in form proto://address, got x"),
        ("gelf", {"gelf-address": "unix:///x"}, "gelf: endpoint needs to be TCP or UDP"),
        ("gelf", {"gelf-address": "udp://host"},
         "gelf: please provide gelf-address as proto://host:port"),
        ("gelf", {"gelf-address": "tcp://h:1", "gelf-compression-type": "gzip"},
         "compression is only supported on UDP"),
        ("gelf", {"gelf-address": "udp://h:1", "gelf-compression-level": "10"},
         'unknown value "10" for log opt "gelf-compression-level" for gelf log driver'),
        ("gelf", {"gelf-address": "udp://h:1", "gelf-tcp-max-reconnect": "1"},
         '"gelf-tcp-max-reconnect" is only valid for TCP'),
        ("fluentd", {"fluentd-address": "corrupted:c"}, "invalid fluentd-address"),
        ("fluentd", {"fluentd-address": "udp://h"},
         "invalid fluentd-address (udp://h): unsupported scheme: 'udp'"),
        ("fluentd", {"fluentd-async": "maybe"}, "strconv.ParseBool"),
        ("fluentd", {"fluentd-max-retries": "x"}, "strconv.Atoi"),
        ("fluentd", {"fluentd-retry-wait": "x"}, 'time: invalid duration "x"'),
        ("fluentd", {"fluentd-async-reconnect-interval": "1ms"}, "between 100ms and 10s"),
    ],
)  # fmt: skip
def test_what_is_refused_at_create(driver: str, options: dict[str, str], words: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        check_log_config(driver, options)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("driver", "options"),
    [
        ("none", {"anything": "goes"}),
        ("json-file", {"max-size": "nonsense", "labels": "a", "env-regex": ".", "tag": "{{.ID}}"}),
        ("local", {"max-size": "1k", "mode": "non-blocking", "max-buffer-size": "4m"}),
        ("journald", {"tag": "x", "cache-disabled": "true"}),
        ("syslog", {"syslog-address": "tcp+tls://h:1", "syslog-facility": "local7"}),
        ("syslog", {"syslog-address": "udp://[::1]:514", "syslog-format": "rfc5424micro"}),
        ("gelf", {"gelf-address": "udp://h:1", "gelf-compression-level": "-1"}),
        ("gelf", {"gelf-address": "tcp://h:1", "gelf-tcp-max-reconnect": "5"}),
        ("fluentd", {"fluentd-address": "h", "fluentd-retry-wait": "1s", "cache-max-size": "1m"}),
    ],
)
def test_what_is_taken_at_create(driver: str, options: dict[str, str]) -> None:
    check_log_config(driver, options)


def test_b095_without_options_a_log_is_rotated_and_options_say_otherwise() -> None:
    plain = spec()
    assert (plain.max_size, plain.max_files, plain.compress) == (10_000_000, 5, False)
    assert plain.path == f"/data/containers/{BASE.id}/{BASE.id}-json.log"
    other = spec(max_size="1k", max_file="3", compress="true")
    assert (other.max_size, other.max_files, other.compress) == (1000, 3, True)
    assert spec(max_size="-1").max_size == 0
    local = spec("local")
    assert (local.max_size, local.max_files, local.compress) == (20 << 20, 5, True)


@pytest.mark.parametrize(
    ("driver", "options", "words"),
    [
        ("json-file", {"max_size": "0"}, "max-size must be a positive number"),
        ("json-file", {"max_size": "x"}, "invalid size: 'x'"),
        ("json-file", {"max_file": "0"}, "max-file cannot be less than 1"),
        ("json-file", {"max_file": "x"}, 'strconv.Atoi: parsing "x": invalid syntax'),
        ("json-file", {"compress": "true", "max_file": "1"},
         "compress cannot be true when max-file is less than 2 or max-size is not set"),
        ("json-file", {"tag": "{{.Nope}}"},
         'template: log-tag:1:2: executing "log-tag" at <.Nope>: can\'t evaluate field Nope'),
        ("json-file", {"labels_regex": "("}, "error parsing regexp"),
        ("local", {"max_file": "1"}, "compression cannot be enabled when max file count is 1"),
        ("syslog", {"cache_max_size": "x"}, "invalid value for max-size: x"),
    ],
)  # fmt: skip
def test_b095_what_is_refused_at_start(driver: str, options: dict[str, str], words: str) -> None:
    with pytest.raises(Internal) as caught:
        spec(driver, **options)
    assert "failed to create task for container: failed to initialize logging driver: " in str(
        caught.value
    )
    assert words in str(caught.value)


def test_attributes_are_chosen_by_name_and_expression() -> None:
    chosen = container(labels="tier,nope", env="B", env_regex="^A")
    assert extra_attributes(chosen) == {"tier": "front", "A": "1", "ABC": "2", "B": "3"}
    assert extra_attributes(container(labels_regex="^team")) == {"team": "x"}
    assert spec(labels="tier", tag="{{.Name}}/{{.ID}}").attributes == {
        "tier": "front",
        "tag": "web/abababababab",
    }


@pytest.mark.parametrize(
    ("template", "tag"),
    [
        ("", "abababababab"),
        ("{{.FullID}}", "ab" * 32),
        (
            "{{.ImageName}} {{.ImageID}} {{.ImageFullID}}",
            "busybox:1 sha256:01234 sha256:0123456789",
        ),
        ("{{.DaemonName}} {{.Command}}", "docker sh -c true"),
        ('{{with .ContainerLabels}}{{index . "tier"}}{{end}}', "front"),
        ("{{upper .Name}}", "WEB"),
    ],
)
def test_tags_are_templates(template: str, tag: str) -> None:
    assert render_tag(container(tag=template), "host") == tag


def test_b097_non_blocking_has_a_buffer_of_a_mebibyte() -> None:
    assert spec().buffer == 0
    assert spec(mode="blocking").buffer == 0
    assert spec(mode="non-blocking").buffer == 1 << 20
    assert spec(mode="non-blocking", max_buffer_size="4k").buffer == 4096


def test_b094_what_is_sent_is_kept_to_be_read_unless_told_otherwise() -> None:
    kept = log_location(container("syslog"), DIRECTORIES)
    assert kept is not None
    assert kept.path.endswith("/container-cached.log")
    assert kept.format is LogFormat.LOCAL
    assert spec("syslog", cache_max_size="1k").max_size == 1000
    assert log_location(container("syslog", cache_disabled="true"), DIRECTORIES) is None
    assert spec("syslog", cache_disabled="1").path == ""
    assert log_location(container("none"), DIRECTORIES) is None


def test_messages_say_whose_they_are() -> None:
    gelf = spec("gelf", gelf_address="udp://h:12201", labels="tier", tag="t")
    assert gelf.options["address"] == "udp://h:12201"
    assert gelf.fields == {
        "_container_id": BASE.id,
        "_container_name": "web",
        "_image_id": BASE.image,
        "_image_name": "busybox:1",
        "_command": "sh -c true",
        "_tag": "t",
        "_created": BASE.created,
        "_tier": "front",
    }
    journal = spec("journald", env_regex="^A$", labels="team")
    assert journal.fields["CONTAINER_NAME"] == "web"
    assert journal.fields["TEAM"] == "x"
    assert journal.fields["A"] == "1"
    fluentd = spec("fluentd", fluentd_address="h", fluentd_retry_wait="2s", fluentd_async="true")
    assert fluentd.options["address"] == "tcp://h:24224"
    assert fluentd.options["retry-wait"] == "2000"
    assert fluentd.options["async"] == "true"
    assert fluentd.fields == {"container_id": BASE.id, "container_name": "/web"}
    assert spec("syslog", syslog_address="udp://h").options["address"] == "udp://h:514"
