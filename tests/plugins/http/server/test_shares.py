from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lanrage_events_http._server import Shares, TrustedProxies, parse_network, source_of

ADDRESSES = (
    "192.0.2.1",
    "192.0.2.2",
    "2001:db8::1",
    "2001:db8::2",
    "127.0.0.1",
    "127.0.0.2",
    "10.0.0.1",
)


def shares(limit: int) -> Shares:
    return Shares(limit, TrustedProxies([parse_network("10.0.0.1")]), "seats")


def take(of: Shares, *addresses: str, times: int = 1_000) -> int:
    taken = 0
    for _ in range(times):
        for address in addresses:
            if of.lack(address) is None:
                of.add(address)
                taken += 1

    return taken


@pytest.mark.parametrize(
    ("address", "share"),
    [("192.0.2.1", 50), ("2001:db8::1", 50), ("127.0.0.1", 90), ("::1", 90), ("10.0.0.1", 90)],
)
def test_no_address_takes_all(address: str, share: int) -> None:
    of = shares(100)

    assert take(of, address) == share
    assert of.of(address) == share
    assert of.lack("127.0.0.2" if address == "10.0.0.1" else "192.0.2.9") is None
    assert of.lack(address) == (
        f"{source_of(address)} has {share} seats, and one address may not have more"
    )


@pytest.mark.slow
def test_an_ipv6_network_is_one_client() -> None:
    assert take(shares(100), *(f"2001:db8::{number:x}" for number in range(100))) == 50


@pytest.mark.slow
def test_others_leave_room_for_this_machine() -> None:
    of = shares(100)

    assert take(of, *(f"192.0.2.{number}" for number in range(100))) == 90
    assert take(of, "127.0.0.1", "::1", times=5) == 10
    assert of.lack("192.0.2.200") == "all 100 seats are taken"


def test_a_client_without_any_learns_who_has_them() -> None:
    of = shares(100)
    take(of, "192.0.2.1", times=50)
    take(of, "192.0.2.2", times=40)

    assert of.lack("192.0.2.3") == (
        "other machines have 90 of 100 seats, and the rest is kept for this one"
    )
    assert of.lack("127.0.0.1") is None


def test_this_machine_leaves_room_for_others() -> None:
    of = shares(100)

    assert take(of, "127.0.0.1", "127.0.0.2", "::1") == 90
    assert of.lack("127.0.0.3") == (
        "this machine has 90 of 100 seats, and the rest is kept for others"
    )
    assert take(of, "192.0.2.1", "192.0.2.2") == 10


def test_few_can_all_be_taken() -> None:
    assert take(shares(2), "127.0.0.1") == 2
    assert take(shares(2), "192.0.2.1") == 1
    assert take(shares(1), "192.0.2.1") == 1


@pytest.mark.slow
@given(
    st.integers(1, 40),
    st.lists(st.tuples(st.booleans(), st.sampled_from(ADDRESSES)), max_size=200),
)
def test_what_is_held_stays_within_the_shares(limit: int, steps: list[tuple[bool, str]]) -> None:
    of = shares(limit)
    held: Counter[str] = Counter()
    for is_more, address in steps:
        if is_more and of.lack(address) is None:
            of.add(address)
            held[source_of(address)] += 1
        elif not is_more and held[source_of(address)]:
            of.remove(address)
            held[source_of(address)] -= 1

        assert of.total == held.total() <= limit
        assert held[source_of(address)] <= of.of(address)
