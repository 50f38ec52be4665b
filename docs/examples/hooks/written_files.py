from __future__ import annotations

from pathlib import Path

from lanrage_events import Event, hookimpl

DIARY = Path("diary.jsonl")


@hookimpl
def written_files() -> list[Path | int]:
    return [DIARY]


@hookimpl
def event(event: Event) -> None:
    with DIARY.open("a", encoding="utf-8") as diary:
        diary.write(event.to_json() + "\n")
