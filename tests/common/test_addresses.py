"""The address that a request counts against: the peer's, or what a trusted proxy says."""

from ipaddress import ip_network

import pytest

from lingoloop_common.addresses import asker

PROXIES = [ip_network("10.0.0.0/8"), ip_network("fd00::/8")]


@pytest.mark.parametrize(
    ("peer", "forwarded", "counted"),
    [
        ("198.51.100.7", [], "198.51.100.7"),
        ("198.51.100.7", ["203.0.113.9"], "198.51.100.7"),  # anybody can write that
        ("10.1.2.3", [], "10.1.2.3"),
        ("10.1.2.3", ["203.0.113.9"], "203.0.113.9"),
        ("10.1.2.3", ["192.0.2.1, 203.0.113.9"], "203.0.113.9"),  # the client wrote the first
        ("10.1.2.3", ["192.0.2.1", "203.0.113.9"], "203.0.113.9"),
        ("10.1.2.3", ["203.0.113.9, 10.9.9.9"], "203.0.113.9"),  # two proxies
        ("10.1.2.3", ["10.8.8.8, 10.9.9.9"], "10.8.8.8"),
        ("10.1.2.3", ["203.0.113.9, no address"], "10.1.2.3"),
        ("10.1.2.3", [""], "10.1.2.3"),
        ("::ffff:10.1.2.3", ["203.0.113.9"], "203.0.113.9"),
        ("::ffff:203.0.113.9", [], "203.0.113.9"),
        ("fd00::1", ["2001:db8:1:2:3:4:5:6"], "2001:db8:1:2::/64"),
        ("2001:db8:1:2::1", [], "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", [], "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", [], "2001:db8:1:3::/64"),
        ("", ["203.0.113.9"], ""),  # a socket without addresses
    ],
)
def test_who_asks(peer: str, forwarded: list[str], counted: str) -> None:
    assert asker(peer, forwarded, PROXIES) == counted


def test_without_trusted_proxies_the_peer_counts() -> None:
    assert asker("10.1.2.3", ["203.0.113.9"], []) == "10.1.2.3"
