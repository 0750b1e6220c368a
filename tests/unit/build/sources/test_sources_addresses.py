"""What builds may not fetch from, and what they may."""

import ipaddress

import pytest

from wharfie.build.sources.addresses import refuse_metadata
from wharfie.model.errors import Forbidden


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254",
        "169.254.170.2",
        "::ffff:169.254.169.254",
        "2002:a9fe:a9fe::",
        "fe80::1",
        "fd00:ec2::254",
        "100.100.100.200",
        "0.0.0.0",
        "::",
        "224.0.0.1",
        "255.255.255.255",
        "240.0.0.1",
    ],
)
def test_metadata_services_are_refused(address: str) -> None:
    with pytest.raises(Forbidden, match="may not fetch from host"):
        refuse_metadata("host", ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "::1", "10.0.0.1", "192.168.1.1", "8.8.8.8", "fd12::1", "2606:4700::1"]
)
def test_servers_are_not(address: str) -> None:
    refuse_metadata("host", ipaddress.ip_address(address))
