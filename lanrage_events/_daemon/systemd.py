"""The state of the daemon for systemd, sent as sd_notify(3) does."""

from __future__ import annotations

import logging
import os
import socket

logger = logging.getLogger(__name__)


def notify(state: str) -> None:
    """Send a state to systemd, if it listens for one; do nothing elsewhere.

    :param state: such as ``READY=1``
    """
    path = os.environ.get("NOTIFY_SOCKET", "")
    if not path or not hasattr(socket, "AF_UNIX"):
        return

    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.setblocking(False)
            # A name that begins with @ is in the abstract namespace.
            sender.connect(f"\0{path[1:]}" if path.startswith("@") else path)
            sender.sendall(state.encode())
    except OSError as error:
        logger.warning("cannot send %s to systemd: %s", state, error.strerror or error)
