from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

import pytest

from lanrage_events._daemon import notify

pytestmark = pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="needs Unix sockets")


def receive_from(address: str, name: str, monkeypatch: pytest.MonkeyPatch) -> bytes:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(address)
        systemd.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", name)
        notify("READY=1")
        return systemd.recv(100)


def test_systemd_is_notified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = str(tmp_path / "notify")
    assert receive_from(path, path, monkeypatch) == b"READY=1"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has abstract sockets")
def test_a_socket_in_the_abstract_namespace_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"lanrage-events-test-{os.getpid()}"
    assert receive_from(f"\0{name}", f"@{name}", monkeypatch) == b"READY=1"


@pytest.mark.parametrize("value", [None, ""])
def test_nothing_happens_without_systemd(
    value: str | None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    if value is None:
        monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    else:
        monkeypatch.setenv("NOTIFY_SOCKET", value)

    notify("READY=1")
    assert caplog.messages == []


def test_a_socket_that_is_gone_is_reported_and_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "gone"))
    notify("READY=1")
    assert caplog.messages == ["cannot send READY=1 to systemd: No such file or directory"]


def test_a_socket_that_is_full_does_not_block(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path = str(tmp_path / "notify")
    monkeypatch.setenv("NOTIFY_SOCKET", path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(path)
        while not caplog.messages:
            notify("STATUS=" + "x" * 10_000)

    assert "Resource temporarily unavailable" in caplog.messages[0]
