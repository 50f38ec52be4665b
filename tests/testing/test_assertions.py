from __future__ import annotations

from itertools import pairwise, permutations
from textwrap import dedent

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lanrage_events import Event, GameEnded, PartyEvent, PeerJoined, PeerLeft
from lanrage_events.testing import (
    CheckedBus,
    RecordingPlugin,
    assert_delivered,
    assert_not_delivered,
    like,
    sample,
    samples,
)
from lanrage_events.testing._alignment import align

ANN, BEN, CY = samples(PeerJoined, 3)
BYE_ANN = sample(PeerLeft, peer_name="Ann")
EXPECTED_LEFT = sample(PeerLeft, peer_name="Ann")


def difference(*arguments: object, **options: bool) -> str:
    with pytest.raises(AssertionError) as caught:
        assert_delivered(*arguments, **options)  # type: ignore[arg-type]

    return str(caught.value)


def test_an_event_is_compared_without_id_and_time() -> None:
    again = PeerJoined(peer_name="Ann", party_name="Friday LAN")
    assert again.id != ANN.id
    assert_delivered([ANN], again)


def test_classes_and_parts_of_events_can_be_expected() -> None:
    assert_delivered(
        [ANN, BYE_ANN, BEN, CY],
        PeerJoined,
        EXPECTED_LEFT,
        like(PeerJoined, peer_name="Ben"),
        PartyEvent,
    )


def test_a_field_may_be_compared_with_what_is_only_nearly_the_same() -> None:
    ended = sample(GameEnded, duration=0.1 + 0.2)
    assert_delivered([ended], like(GameEnded, duration=pytest.approx(0.3)))


def test_nothing_at_all_can_be_expected() -> None:
    assert_delivered([])
    assert difference([ANN]) == dedent("""\
        1 arrived, 0 expected:
        + unexpected:  PeerJoined(peer_name='Ann', party_name='Friday LAN')""")


def test_the_difference_shows_what_is_missing_wrong_and_too_many() -> None:
    text = difference(
        [ANN, CY, BYE_ANN],
        sample(PeerJoined, peer_name="Ann"),
        sample(PeerJoined, peer_name="Ben"),
        like(GameEnded, duration=3.0),
    )
    assert text == dedent("""\
        3 arrived, 3 expected:
          as expected: PeerJoined(peer_name='Ann', party_name='Friday LAN')
        ! different:   PeerJoined(peer_name='Cy', party_name='Friday LAN')
                         peer_name: expected 'Ben', got 'Cy'
        + unexpected:  PeerLeft(peer_name='Ann', party_name='Friday LAN')
        - missing:     like(GameEnded, duration=3.0)""")


def test_what_is_missing_stands_where_it_was_expected() -> None:
    assert difference([ANN, CY], PeerJoined, PeerLeft, like(PeerJoined, peer_name="Cy")) == (
        dedent("""\
        2 arrived, 3 expected:
          as expected: PeerJoined(peer_name='Ann', party_name='Friday LAN')
        - missing:     any PeerLeft
          as expected: PeerJoined(peer_name='Cy', party_name='Friday LAN')""")
    )


def test_another_order_is_called_that() -> None:
    assert difference([BEN, ANN], ANN, BEN) == dedent("""\
        the right events arrived, but in another order:
          expected:
            1. PeerJoined(peer_name='Ann', party_name='Friday LAN')
            2. PeerJoined(peer_name='Ben', party_name='Friday LAN')
          got:
            1. PeerJoined(peer_name='Ben', party_name='Friday LAN')
            2. PeerJoined(peer_name='Ann', party_name='Friday LAN')""")


@pytest.mark.parametrize("got", [*permutations([ANN, BEN, BYE_ANN])])
def test_the_order_need_not_matter(got: tuple[Event, ...]) -> None:
    assert_delivered(
        got, EXPECTED_LEFT, PeerJoined, like(PeerJoined, peer_name="Ann"), in_order=False
    )


def test_other_events_need_not_matter() -> None:
    assert_delivered([BYE_ANN, ANN, BYE_ANN, BEN, CY], ANN, CY, only=False)
    assert_delivered([BYE_ANN, ANN, BYE_ANN, BEN, CY], CY, ANN, only=False, in_order=False)
    text = difference([BYE_ANN, ANN], BEN, only=False)
    assert text == dedent("""\
        2 arrived, 1 expected:
          another:     PeerLeft(peer_name='Ann', party_name='Friday LAN')
        ! different:   PeerJoined(peer_name='Ann', party_name='Friday LAN')
                         peer_name: expected 'Ben', got 'Ann'""")
    assert "in another order" in difference([CY, BYE_ANN, ANN], ANN, CY, only=False)


def test_one_event_is_not_two() -> None:
    assert "- missing:     any PeerJoined" in difference([ANN], PeerJoined, PeerJoined)
    assert "- missing:" in difference([ANN], PeerJoined, PeerJoined, in_order=False)


def test_a_subclass_is_not_the_class_unless_the_class_is_all_that_is_asked_for() -> None:
    assert_delivered([ANN], like(PartyEvent, party_id=None))
    assert "different" not in difference([ANN], PartyEvent())


@pytest.mark.slow
def test_many_events_are_compared() -> None:
    many = samples(PeerJoined, 400)
    assert_delivered(many, *many)
    assert_delivered([*many, *many], *many[:-1], many[-1], only=False)
    assert "- missing" in difference(many, *many[1:], BYE_ANN)
    assert "- missing" in difference([*many, BYE_ANN], BYE_ANN, BYE_ANN, *many)


def test_many_events_that_are_the_same_are_compared_in_any_order() -> None:
    assert_delivered([ANN] * 300, *[PeerJoined] * 300, in_order=False)


def test_a_field_that_does_not_exist_is_named_with_the_nearest() -> None:
    with pytest.raises(TypeError, match="PeerJoined has no field 'peer_nam', did you mean 'peer_n"):
        like(PeerJoined, peer_nam="Ann")

    with pytest.raises(
        TypeError, match="no field 'x'; it has id, time, parent_id, party_id, peer_name"
    ):
        like(PeerJoined, x=1)


def test_what_is_no_event_cannot_be_expected() -> None:
    with pytest.raises(TypeError, match="expected an event, an event class or like"):
        assert_delivered([ANN], "peer_joined")  # type: ignore[arg-type]


async def test_a_recorder_that_was_not_waited_for_is_suspected(bus: CheckedBus) -> None:
    recorder = RecordingPlugin()
    await bus.plugins.register_and_wait(recorder)
    bus.publish_nowait(ANN)
    assert "1 event has not reached the plugin yet: is 'await bus.drain()'" in difference(
        recorder, ANN
    )
    bus.publish_nowait(BEN)
    assert "2 events have not" in difference(recorder, ANN)
    await bus.drain()
    assert_delivered(recorder, ANN, BEN)
    assert "drain" not in difference(recorder, ANN)


def test_what_must_not_arrive_is_shown_with_its_place() -> None:
    assert_not_delivered([ANN, BYE_ANN], GameEnded, BEN, like(PeerLeft, peer_name="Ben"))
    with pytest.raises(AssertionError) as caught:
        assert_not_delivered([ANN, BYE_ANN, CY], PeerLeft, like(PeerJoined, peer_name="Cy"))

    assert str(caught.value) == dedent("""\
        these events should not have arrived:
          2. PeerLeft(peer_name='Ann', party_name='Friday LAN')
          3. PeerJoined(peer_name='Cy', party_name='Friday LAN')""")


def test_nothing_is_not_what_must_not_arrive() -> None:
    with pytest.raises(TypeError, match="name what must not arrive"):
        assert_not_delivered([])


small = st.lists(st.integers(0, 3), max_size=6)


def fits(wanted: int, got: int) -> bool:
    return wanted == got or wanted == 0  # 0 stands for any, as a class does


@given(small, small, st.booleans())
def test_everything_is_matched_at_most_once_and_shown(
    wanted: list[int], got: list[int], in_order: bool
) -> None:
    matches = align(wanted, got, fits, in_order=in_order)
    assert sorted(m.wanted for m in matches if m.wanted is not None) == [*range(len(wanted))]
    assert sorted(m.got for m in matches if m.got is not None) == [*range(len(got))]
    pairs = [(m.wanted, m.got) for m in matches if m.wanted is not None and m.got is not None]
    assert all(fits(wanted[w], got[g]) for w, g in pairs)
    if in_order:
        assert pairs == sorted(pairs)
        assert all(a[1] < b[1] for a, b in pairwise(pairs))


def longest(wanted: list[int], got: list[int], in_order: bool) -> int:
    """Return how many can be matched, by trying everything."""
    if not wanted:
        return 0

    best = longest(wanted[1:], got, in_order)
    for index, item in enumerate(got):
        if fits(wanted[0], item):
            rest = got[index + 1 :] if in_order else got[:index] + got[index + 1 :]
            best = max(best, 1 + longest(wanted[1:], rest, in_order))

    return best


@pytest.mark.slow
@given(
    st.lists(st.integers(0, 3), max_size=4), st.lists(st.integers(0, 3), max_size=4), st.booleans()
)
def test_as_much_as_possible_is_matched(wanted: list[int], got: list[int], in_order: bool) -> None:
    matches = align(wanted, got, fits, in_order=in_order)
    assert sum(match.fits for match in matches) == longest(wanted, got, in_order)
