"""Build the image of the Dockerfile, and run it as docs/container.md says. It needs Docker."""

from __future__ import annotations

import argparse
import json
import secrets
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

IMAGE = "lanrage-events-check"
BASE = "python:3.13-slim"
STARTS_WITHIN_SECONDS = 60
MAX_BYTES = 400_000_000


def docker(*words: str, seconds: float = 60) -> str:
    result = subprocess.run(
        ["docker", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        check=False,
        timeout=seconds,
    )
    if result.returncode:
        sys.exit(f"error: docker {' '.join(words)} prints:\n{result.stdout}")

    return result.stdout.strip()


def wait_until_healthy(name: str) -> None:
    deadline = time.monotonic() + STARTS_WITHIN_SECONDS
    while docker("inspect", "--format", "{{.State.Health.Status}}", name) != "healthy":
        if time.monotonic() > deadline:
            sys.exit(f"error: the container does not become healthy:\n{docker('logs', name)}")

        time.sleep(0.5)


def check_container(name: str, token: str) -> None:
    docker(
        *("run", "--detach", "--name", name, "--publish", "127.0.0.1::8666"),
        *("--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL"),
        *("--health-interval", "2s", "--env", f"LANRAGE_EVENTS_TOKEN={token}", IMAGE),
    )
    wait_until_healthy(name)
    if docker("exec", name, "id", "--user") == "0":
        sys.exit("error: the container runs as root")

    address = docker("port", name, "8666").splitlines()[0]
    request = urllib.request.Request(
        f"http://{address}/api/events",
        json.dumps({"type": "peer_joined", "peer_name": "Ann", "party_name": "LAN"}).encode(),
        {"Content-Type": "application/json", "Authorization": f"Bearer {token}"},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        print(answer.status, answer.read().decode())

    docker("stop", name)
    if docker("inspect", "--format", "{{.State.ExitCode}}", name) != "0":
        sys.exit(f"error: it does not stop properly:\n{docker('logs', name)}")

    if token in docker("logs", name):
        sys.exit("error: its log shows the token")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("tree", type=Path)
    tree = parser.parse_args().tree
    pulled = subprocess.run(["docker", "pull", "--quiet", BASE], check=False, timeout=300)
    if pulled.returncode:
        print(f"Docker cannot get {BASE}, so the Dockerfile is linted and not built")
        return

    docker("build", "--tag", IMAGE, str(tree), seconds=600)
    name = f"{IMAGE}-{secrets.token_hex(4)}"
    try:
        size = int(docker("image", "inspect", "--format", "{{.Size}}", IMAGE))
        print(f"the image has {size / 1e6:.0f} MB")
        if size > MAX_BYTES:
            sys.exit("error: that is too much")

        check_container(name, secrets.token_hex(16))
    finally:
        subprocess.run(["docker", "rm", "--force", "--volumes", name], check=False, timeout=60)
        subprocess.run(["docker", "image", "rm", IMAGE], check=False, timeout=60)


if __name__ == "__main__":
    main()
