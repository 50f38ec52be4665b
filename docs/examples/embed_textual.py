"""A bus in a terminal application on Textual: press j to join."""

from __future__ import annotations

from typing import ClassVar

from textual.app import App, ComposeResult
from textual.binding import BindingType
from textual.widgets import Footer, Log

from lanrage_events import BusRunner, EventBus, PeerJoined


class Lobby(App[None]):
    BINDINGS: ClassVar[list[BindingType]] = [("j", "join", "Join")]

    def __init__(self) -> None:
        super().__init__()
        self.bus = EventBus()
        self.runner = BusRunner(self.bus)
        self.lines = Log()
        self.bus.subscribe(PeerJoined, self.show)

    def compose(self) -> ComposeResult:
        yield self.lines
        yield Footer()

    async def on_mount(self) -> None:
        await self.runner.start()

    async def on_unmount(self) -> None:
        await self.runner.stop()

    async def action_join(self) -> None:
        await self.bus.publish(PeerJoined(peer_name="Ann", party_name="Friday LAN"))

    def show(self, event: PeerJoined) -> None:
        self.lines.write_line(f"{event.peer_name} is here")


if __name__ == "__main__":
    Lobby().run()
