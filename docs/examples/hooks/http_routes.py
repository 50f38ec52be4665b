from __future__ import annotations

from collections.abc import Iterable

from pydantic import BaseModel

from lanrage_events import hookimpl
from lanrage_events.http import Route, RouteError, RouteRequest

seats = {"Ann": 1}


class Seat(BaseModel):
    player: str
    number: int


async def find(request: RouteRequest) -> Seat:
    """Return where a player sits."""
    player = request.path["player"]
    if player not in seats:
        raise RouteError(404, f"no player called {player} has a seat")

    return Seat(player=player, number=seats[player])


async def take(request: RouteRequest) -> Seat:
    """Give a player a seat."""
    seat: Seat = request.body
    seats[seat.player] = seat.number
    return seat


@hookimpl
def http_routes() -> Iterable[Route]:
    # Below /api/ and the name of the plugin, such as /api/seats/of/Ann.
    yield Route(
        method="GET",
        path="/of/{player}",
        handler=find,
        response=Seat,
        errors={404: "The player has no seat."},
        # Any token that may read will do. The other route needs one that may do everything.
        scope="read",
    )
    yield Route(method="POST", path="/", handler=take, request=Seat, response=Seat)
