from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lanrage_events_http._server import (
    HostCheck,
    HostPort,
    is_loopback,
    is_same_origin,
    is_unspecified,
    url,
)

NAMES = st.from_regex(r"[a-zA-Z0-9]([a-zA-Z0-9-]{0,10}\.){0,3}[a-z]{1,5}", fullmatch=True)
ADDRESSES = st.ip_addresses().map(lambda ip: f"[{ip}]" if ip.version == 6 else str(ip))
HOSTS = NAMES | ADDRESSES
PORTS = st.integers(0, 65_535)
NOISE = st.text("[]:.@/%?#\\ \t\0a1") | st.text()


@pytest.mark.slow
@given(HOSTS, PORTS)
def test_a_host_is_read_with_its_port(host: str, port: int) -> None:
    parsed = HostPort.parse(f"{host}:{port}")

    assert parsed is not None
    assert parsed.port == port
    assert parsed == HostPort.parse(f"{host.upper()}:{port}")
    assert HostPort.parse(host) == HostPort(parsed.host, None)


@given(NOISE)
def test_nothing_that_is_sent_breaks_the_check(text: str) -> None:
    check = HostCheck("0.0.0.0", 8666, ["lan.example.org"])

    check.allows(text)
    assert not is_same_origin(text, "127.0.0.1:8666")
    is_same_origin(f"http://{text}", text)


@pytest.mark.slow
@given(HOSTS, PORTS)
def test_a_page_of_ours_is_of_the_same_origin(host: str, port: int) -> None:
    assert is_same_origin(f"http://{host}:{port}", f"{host}:{port}")
    assert is_same_origin(f"https://{host}:{port}", f"{host}:{port}")
    assert is_same_origin(f"http://{host}", f"{host}:80")
    assert is_same_origin(f"https://{host}", host)


@pytest.mark.slow
@given(HOSTS, HOSTS, PORTS, PORTS)
def test_every_other_page_is_not(first: str, second: str, port: int, other_port: int) -> None:
    same_host = HostPort.parse(first) == HostPort.parse(second)
    is_same = same_host and port == other_port

    assert is_same_origin(f"http://{first}:{port}", f"{second}:{other_port}") == is_same


@pytest.mark.slow
@given(NAMES)
def test_no_name_reaches_what_is_bound_to_everything(name: str) -> None:
    assert not HostCheck("0.0.0.0", 8666).allows(f"{name}.example:8666")


@given(st.ip_addresses())
def test_every_address_reaches_what_is_bound_to_everything(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    host = f"[{address}]" if address.version == 6 else str(address)

    assert HostCheck("::", 8666).allows(f"{host}:8666")
    assert not HostCheck("::", 8666).allows(f"{host}:8667")


@given(st.ip_addresses())
def test_only_loopback_addresses_are_loopback(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    assert is_loopback(str(address)) == address.is_loopback
    assert is_unspecified(str(address)) == address.is_unspecified


@pytest.mark.parametrize(
    "host",
    [
        "127.1",
        "0177.0.0.1",
        "2130706433",
        "0x7f000001",
        "localhost.localdomain",
        "",
    ],
)
def test_odd_spellings_are_not_taken_for_loopback(host: str) -> None:
    assert not is_loopback(host)


def test_what_a_name_stands_for_reaches_it_too() -> None:
    check = HostCheck("gamebox", 8666, addresses=["192.168.1.5", "fd00::5"])

    assert check.allows("gamebox:8666")
    assert check.allows("192.168.1.5:8666")
    assert check.allows("[FD00:0::5]:8666")
    assert not check.allows("192.168.1.6:8666")


def test_an_address_of_version_6_has_brackets_in_a_url() -> None:
    assert url("::1", 80) == "http://[::1]:80/"
    assert url("gamebox", 80) == "http://gamebox:80/"
