"""A kit for the tests of plugins: virtual time, a bus that reports errors, a recording plugin."""

from __future__ import annotations

from ._assertions import Like as Like
from ._assertions import assert_delivered as assert_delivered
from ._assertions import assert_not_delivered as assert_not_delivered
from ._assertions import like as like
from ._bus import BusError as BusError
from ._bus import CheckedBus as CheckedBus
from ._recorder import PlannedFailure as PlannedFailure
from ._recorder import RecordingPlugin as RecordingPlugin
from ._running import make_plugin as make_plugin
from ._running import running as running
from ._samples import sample as sample
from ._samples import samples as samples
from ._transforms import transformed as transformed
from ._virtual_time import VirtualTimeEventLoop as VirtualTimeEventLoop
from ._virtual_time import virtual_time as virtual_time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._fixtures import anyio_backend as anyio_backend
    from ._fixtures import bus as bus
    from ._fixtures import real_time as real_time

# They need pytest, which is imported when one of them is used.
_FIXTURES = ("anyio_backend", "bus", "real_time")

if not TYPE_CHECKING:  # type checkers would otherwise accept any name

    def __getattr__(name: str) -> object:
        if name not in _FIXTURES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

        from . import _fixtures

        return getattr(_fixtures, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_FIXTURES})


for _value in tuple(globals().values()):
    if getattr(_value, "__module__", "").startswith(f"{__name__}."):
        _value.__module__ = __name__
