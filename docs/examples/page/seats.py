from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pydantic import Field

from lanrage_events import hookimpl
from lanrage_events.config import ConfigModel
from lanrage_events.events import FieldProblem
from lanrage_events.http import Page, Route, RouteError, RouteRequest


class Seat(ConfigModel):
    player: str = Field(min_length=1, max_length=50)
    number: int = Field(ge=1, le=200)


class Hall(ConfigModel):
    seats: tuple[Seat, ...]


taken: dict[int, Seat] = {}


async def show(request: RouteRequest) -> Hall:
    """Return who sits where."""
    return Hall(seats=tuple(taken[number] for number in sorted(taken)))


async def take(request: RouteRequest) -> Hall:
    """Give a free seat to a player."""
    seat: Seat = request.body
    if seat.number in taken:
        text = f"seat {seat.number} is taken: choose another one"
        raise RouteError(409, text, [FieldProblem("number", text)])

    taken[seat.number] = seat
    return await show(request)


@hookimpl
def http_routes() -> Iterable[Route]:
    yield Route(method="GET", path="/hall", handler=show, response=Hall, scope="read")
    yield Route(
        method="POST",
        path="/hall",
        handler=take,
        request=Seat,
        response=Hall,
        errors={409: "the seat is taken"},
    )


@hookimpl
def http_pages() -> Iterable[Page]:
    yield Page(title="Seats", folder=Path(__file__).with_name("seats_page"))
