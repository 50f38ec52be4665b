"""The operations on sessions, and on what a client may do."""

from __future__ import annotations

from datetime import UTC, datetime

from starlette.responses import Response

from .._problem import Problem
from .._server import Session, Sessions, access_of
from .models import Client, Count, SessionEntry, SessionList
from .operation import Call, Operation


def session_operations(sessions: Sessions) -> list[Operation]:
    """Return the operations on sessions.

    :param sessions: of browsers that logged in
    """
    api = _SessionsAPI(sessions)
    return [
        Operation(
            method="GET",
            path="/api/me",
            name="getClient",
            group="sessions",
            description="Return what the token or the session of this request allows.",
            handler=api.me,
            scope=None,
            responses={200: Client},
        ),
        Operation(
            method="GET",
            path="/api/sessions",
            name="getSessions",
            group="sessions",
            description="Return the browsers that are logged in, the last used first.",
            handler=api.list,
            responses={200: SessionList},
        ),
        Operation(
            method="DELETE",
            path="/api/sessions",
            name="endOtherSessions",
            group="sessions",
            description=(
                "End all sessions but the one of this request. Their live feeds end, and their "
                "browsers have to log in again."
            ),
            handler=api.end_others,
            responses={200: Count},
        ),
        Operation(
            method="DELETE",
            path="/api/sessions/{session}",
            name="endSession",
            group="sessions",
            description="End a session. Its live feeds end, and its browser has to log in again.",
            handler=api.end,
            responses={204: None},
            errors={404: "no session has this id"},
        ),
    ]


class _SessionsAPI:
    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def me(self, call: Call) -> Client:
        access = access_of(call.request.scope)
        return Client(
            token=access.token,
            scopes=sorted(access.scopes),
            session=access.session.id if access.session else None,
        )

    async def list(self, call: Call) -> SessionList:
        own = access_of(call.request.scope).session
        found = sorted(self._sessions, key=lambda session: session.used)
        return SessionList(sessions=[_entry(session, own) for session in reversed(found)])

    async def end(self, call: Call) -> Response:
        session = self._sessions.get(call.request.path_params["session"])
        if session is None:
            raise Problem(404, "no session has this id: it may have ended already")

        self._sessions.end(session)
        await self._sessions.save()
        return Response(status_code=204)

    async def end_others(self, call: Call) -> Count:
        own = access_of(call.request.scope).session
        others = [session for session in self._sessions if session is not own]
        for session in others:
            self._sessions.end(session)

        await self._sessions.save()
        return Count(count=len(others))


def _entry(session: Session, own: Session | None) -> SessionEntry:
    return SessionEntry(
        id=session.id,
        token=session.token.name,
        created=_time(session.created),
        used=_time(session.used),
        expires=_time(session.expires),
        address=session.address,
        browser=session.agent,
        is_own=session is own,
    )


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
