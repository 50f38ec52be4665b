"""How events are created and changed."""

from __future__ import annotations

import copy
import inspect
import pickle
import weakref
from dataclasses import FrozenInstanceError, InitVar, dataclass, field, fields, replace
from datetime import UTC, datetime
from threading import Barrier, Thread
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lanrage_events import Event, GameEnded, PartyEvent, PeerJoined

MOMENT = datetime(2026, 11, 30, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True, slots=True)
class ScoreChanged(PartyEvent):
    """An event with a default, a default factory, and a required field."""

    team: str
    points: int = 1
    scorers: list[str] = field(default_factory=lambda: ["nobody"])


@dataclass(frozen=True, kw_only=True, slots=True)
class FinalScoreChanged(ScoreChanged):
    """An event that derives from another one and gives a field another default."""

    points: int = 3
    is_final: bool = True


@dataclass(frozen=True, kw_only=True)
class WithoutSlots(Event):
    """An event whose fields are in a dictionary."""

    note: str = "a"


@dataclass(frozen=True, slots=True)
class Positional(Event):
    """An event with a field that may be given without its name."""

    note: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Checked(Event):
    """An event that checks itself."""

    points: int
    doubled: InitVar[bool] = False

    def __post_init__(self, doubled: bool) -> None:
        """Check the points, and double them."""
        if self.points < 0:
            raise ValueError("negative")

        if doubled:
            object.__setattr__(self, "points", self.points * 2)


@dataclass(frozen=True, kw_only=True, slots=True)
class Computed(Event):
    """An event with a field that nobody gives."""

    length: int = field(init=False, default=7)


@dataclass(frozen=True, kw_only=True, slots=True)
class OwnInit(Event):
    """An event that is created in a way of its own."""

    note: str

    def __init__(self, note: str) -> None:
        """Set what is needed."""
        for name, value in (("id", "1"), ("time", MOMENT), ("parent_id", None), ("note", note)):
            object.__setattr__(self, name, value)


@dataclass(frozen=True, kw_only=True, slots=True)
class OwnReplace(Event):
    """An event with a field of the name of the method."""

    replace: str = "x"  # type: ignore[assignment]  # pyright: ignore[reportIncompatibleMethodOverride]


class Counting:
    """Counts its subclasses."""

    __slots__ = ()
    seen: ClassVar[list[str]] = []

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Count a class."""
        Counting.seen.append(cls.__name__)
        super().__init_subclass__(**kwargs)


@dataclass(frozen=True, kw_only=True, slots=True)
class Counted(Counting, Event):
    """An event whose other base class sees each class that derives from it."""

    note: str = "a"


@dataclass(frozen=True, kw_only=True, slots=True, weakref_slot=True)
class Weak(Event):
    """An event to which there may be weak references."""

    note: str = "a"


class Bare(PeerJoined):
    """An event class without fields of its own, which is not decorated."""


def test_an_event_has_its_fields_and_its_class() -> None:
    event = ScoreChanged(team="red", time=MOMENT)
    other = ScoreChanged(team="red", time=MOMENT, id=event.id, parent_id=None, party_id=None)
    assert type(event) is ScoreChanged
    assert event == other
    assert hash(GameEnded(game_name="a", duration=1, id="1", time=MOMENT)) == hash(
        GameEnded(game_name="a", duration=1, id="1", time=MOMENT)
    )
    assert event.scorers == ["nobody"]
    assert event.scorers is not other.scorers
    assert (event.points, event.party_id, event.parent_id) == (1, None, None)


@pytest.mark.parametrize(
    "event",
    [
        ScoreChanged(team="red"),
        FinalScoreChanged(team="red"),
        WithoutSlots(),
        Positional("a"),
        Checked(points=1),
        OwnReplace(),
        Counted(),
        Weak(),
        Bare(peer_name="Ann", party_name="LAN"),
    ],
    ids=lambda event: type(event).__name__,
)
def test_an_event_stays_frozen(event: Event) -> None:
    with pytest.raises(FrozenInstanceError):
        event.id = "another"  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]

    with pytest.raises(FrozenInstanceError):
        del event.id  # pyright: ignore[reportAttributeAccessIssue]

    assert copy.deepcopy(event) == event
    if not isinstance(event, Checked):
        assert pickle.loads(pickle.dumps(event)) == event
        assert replace(event, id="2") != event
        assert replace(event, id=event.id) == event


def test_what_only_the_plain_way_can_do_is_done() -> None:
    assert Positional("a").note == "a"
    assert Checked(points=2, doubled=True).points == 4
    with pytest.raises(ValueError, match="negative"):
        Checked(points=-1)

    assert Computed().length == 7
    with pytest.raises(TypeError, match="length"):
        Computed(length=1)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]

    assert OwnInit("a").time == MOMENT
    assert Counting.seen == ["Counted", "Counted"]  # by the class and by the one with slots
    assert weakref.ref(event := Weak())() is event
    assert Bare(peer_name="Ann", party_name="LAN").peer_name == "Ann"


def test_replace_changes_fields_and_nothing_else() -> None:
    event = FinalScoreChanged(team="red", party_id="7", parent_id="5")
    changed = event.replace(team="blue", points=9)
    assert type(changed) is FinalScoreChanged
    assert changed == replace(event, team="blue", points=9)
    assert (changed.id, changed.parent_id, event.team) == (event.id, "5", "red")
    assert event.replace() == event
    assert event.replace() is not event
    with pytest.raises(FrozenInstanceError):
        changed.team = "red"  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]


def test_replace_works_for_every_kind_of_event_class() -> None:
    assert WithoutSlots().replace(note="b").note == "b"
    assert Positional("a").replace(note="b").note == "b"
    assert Computed().replace(id="2").id == "2"
    assert Counted().replace(note="b").note == "b"
    assert Weak().replace(note="b").note == "b"
    assert OwnReplace(replace="y").replace == "y"
    changed = Bare(peer_name="Ann", party_name="LAN").replace(peer_name="Bob")
    assert (type(changed), changed.peer_name) == (Bare, "Bob")
    with pytest.raises(ValueError, match="negative"):
        Checked(points=1).replace(points=-1, doubled=False)


def test_a_wrong_field_is_named() -> None:
    with pytest.raises(TypeError, match=r"ScoreChanged\.__init__\(\) .*'temm'"):
        ScoreChanged(temm="red")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]

    with pytest.raises(TypeError, match=r"ScoreChanged\.__init__\(\) missing 1 .* 'team'"):
        ScoreChanged()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]

    with pytest.raises(TypeError, match=r"ScoreChanged\.replace\(\) .*'temm'"):
        ScoreChanged(team="red").replace(temm="blue")


def test_a_default_that_cannot_be_made_leaves_no_event() -> None:
    def fail() -> int:
        raise ValueError("no value")

    @dataclass(frozen=True, kw_only=True, slots=True)
    class Failing(Event):
        number: int = field(default_factory=fail)

    with pytest.raises(ValueError, match="no value"):
        Failing()

    assert Failing(number=1).number == 1


def test_the_signature_names_the_fields() -> None:
    assert list(inspect.signature(ScoreChanged).parameters) == [
        f.name for f in fields(ScoreChanged)
    ]
    assert inspect.signature(ScoreChanged).parameters["points"].default == 1


def test_threads_may_create_the_first_events_of_a_class_at_once() -> None:
    @dataclass(frozen=True, kw_only=True, slots=True)
    class Raced(Event):
        number: int

    together, made = Barrier(8), []

    def create(number: int) -> None:
        together.wait()
        made.append(Raced(number=number).replace(id="1"))

    threads = [Thread(target=create, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()

    for thread in threads:
        thread.join()

    assert sorted(event.number for event in made) == list(range(8))
    assert {type(event) for event in made} == {Raced}


@pytest.mark.slow
@given(
    st.fixed_dictionaries(
        {"team": st.text()},
        optional={
            "id": st.text(min_size=1),
            "points": st.integers(),
            "scorers": st.lists(st.text()),
            "party_id": st.none() | st.text(),
            "parent_id": st.none() | st.text(),
        },
    ),
    st.fixed_dictionaries({}, optional={"team": st.text(), "points": st.integers()}),
)
def test_given_values_are_set_and_the_others_are_made(
    values: dict[str, Any], changes: dict[str, Any]
) -> None:
    event = ScoreChanged(**values)
    assert {name: getattr(event, name) for name in values} == values
    assert event.replace(**changes) == replace(event, **changes)
