import pytest

from wharfie.engine.containers.rootfs import managed_files as files

HOST = files.parse_resolver(
    "# comment\nnameserver 127.0.0.1\nnameserver 10.0.0.2\nnameserver fd00::1\n"
    "domain old.example\nsearch a.example b.example\noptions edns0 trust-ad\nsortlist 1\n"
)


def test_hosts_of_a_container() -> None:
    found = files.hosts_file(
        addresses=["172.17.0.2"], names="abc", extra_hosts=["db:10.0.0.9"], gateway="172.17.0.1"
    )
    assert found == (
        "127.0.0.1\tlocalhost\n"
        "::1\tlocalhost ip6-localhost ip6-loopback\n"
        "fe00::\tip6-localnet\n"
        "ff00::\tip6-mcastprefix\n"
        "ff02::1\tip6-allnodes\n"
        "ff02::2\tip6-allrouters\n"
        "10.0.0.9\tdb\n"
        "172.17.0.2\tabc\n"
    )


def test_hosts_without_ipv6_name_no_ipv6() -> None:
    assert files.hosts_file(addresses=[], names="x", ipv6=False) == "127.0.0.1\tlocalhost\n"


@pytest.mark.parametrize(
    ("hostname", "domainname", "names"),
    [("h", "", "h"), ("h", "d.org", "h.d.org h"), ("h.d.org", "", "h.d.org h")],
)
def test_own_names(hostname: str, domainname: str, names: str) -> None:
    assert files.own_names(hostname, domainname) == names


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ("db:10.0.0.1", ("db", "10.0.0.1")),
        ("db=10.0.0.1", ("db", "10.0.0.1")),
        ("db:::1", ("db", "::1")),
        ("db=[::1]", ("db", "::1")),
        ("db:[fe80::1]", ("db", "fe80::1")),
        ("db", ("db", "")),
    ],
)
def test_extra_host_forms(entry: str, expected: tuple[str, str]) -> None:
    assert files.split_extra_host(entry) == expected


def test_host_gateway_may_be_two_addresses() -> None:
    lines = files.extra_host_lines(["gw:host-gateway"], gateway="172.17.0.1,fd00::1")
    assert lines == ["172.17.0.1\tgw", "fd00::1\tgw"]


def test_host_gateway_without_one_is_left_out() -> None:
    assert files.extra_host_lines(["gw:host-gateway"], gateway="") == []


def test_host_mode_keeps_the_hosts_file() -> None:
    kept = files.host_mode_hosts_file("1.2.3.4 me", extra_hosts=[])
    assert kept == "1.2.3.4 me"
    added = files.host_mode_hosts_file("1.2.3.4 me", extra_hosts=["a:5.6.7.8"])
    assert added == "1.2.3.4 me\n5.6.7.8\ta\n"


def test_the_last_search_wins() -> None:
    assert HOST.search == ("a.example", "b.example")


def test_legacy_drops_what_cannot_be_reached() -> None:
    found = files.legacy_resolver_file(files.external_resolver(HOST))
    body = [line for line in found.content.splitlines() if line and line[0] != "#"]
    assert body == [
        "nameserver 10.0.0.2",
        "search a.example b.example",
        "options edns0 trust-ad",
    ]
    assert found.upstream == ()


def test_ipv6_servers_stay_with_ipv6() -> None:
    assert files.external_resolver(HOST, ipv6=True).servers == ("10.0.0.2", "fd00::1")


def test_zoned_servers_belong_to_the_host() -> None:
    host = files.parse_resolver("nameserver fe80::1%eth0\n")
    assert files.external_resolver(host, ipv6=True).servers[0] == "8.8.8.8"


def test_no_usable_server_falls_back() -> None:
    assert files.external_resolver(files.Resolver(("127.0.0.53",))).servers == files.FALLBACK_IPV4


def test_asked_settings_win() -> None:
    found = files.external_resolver(HOST, servers=["1.1.1.1"], search=["."], options=["ndots:2"])
    assert found == files.Resolver(("1.1.1.1",), (), ("ndots:2",))


def test_host_mode_keeps_loopback_servers() -> None:
    assert files.external_resolver(HOST, loopback=True).servers == HOST.servers


def test_embedded_server_stands_in_front() -> None:
    found = files.embedded_resolver_file(files.external_resolver(HOST))
    assert "nameserver 127.0.0.11\n" in found.content
    assert "options edns0 trust-ad ndots:0\n" in found.content
    assert found.upstream == ("10.0.0.2",)


def test_a_set_ndots_stays() -> None:
    found = files.embedded_resolver_file(files.Resolver(("1.1.1.1",), (), ("ndots:3",)))
    assert "options ndots:3\n" in found.content


def test_systemd_stub_is_recognized() -> None:
    assert files.wants_systemd_file("nameserver 127.0.0.53\noptions edns0\n")
    assert not files.wants_systemd_file("nameserver 127.0.0.53\nnameserver 1.1.1.1\n")
