"""The OpenAPI document of a running daemon under the rules that Redocly recommends."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import anyio
import httpx
import pytest

from . import _daemons

pytestmark = [pytest.mark.real_clock, pytest.mark.slow]

REDOCLY = ("npx", "--yes", "@redocly/cli@2.77.0")
TOKEN = "made-up-token-0123456789abcdef"


async def redocly(*words: str) -> tuple[int, str]:
    result = await anyio.run_process([*REDOCLY, *words], check=False)
    return result.returncode, (result.stdout or result.stderr).decode()


@pytest.mark.skipif(shutil.which("npx") is None, reason="Redocly needs node with npx")
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("token", ["", TOKEN], ids=["no-token", "token"])
async def test_redocly_finds_nothing_in_the_description(tmp_path: Path, token: str) -> None:
    code, text = await redocly("--version")
    if code:
        pytest.skip(f"Redocly cannot be installed: {text.strip()[-200:]}")

    config = tmp_path / "config.yaml"
    http = f"{{port: 0, token: {token}}}" if token else "{port: 0}"
    config.write_text(
        f"state_folder: {tmp_path / 'state'}\nplugins: {{discord: , http: {http}}}", "utf-8"
    )
    async with _daemons.running("run", str(config)) as daemon:
        await daemon.wait_for("ready, with the plugins")
        match = re.search(r"http://[^:]+:(\d+)/", daemon.log)
        assert match is not None
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        async with httpx.AsyncClient(headers=headers) as client:
            answer = await client.get(f"http://127.0.0.1:{match[1]}/api/openapi.json")

    document = tmp_path / "openapi.json"
    document.write_bytes(answer.raise_for_status().content)
    code, text = await redocly("lint", "--format=json", str(document))
    found = json.loads(text[text.index("{") : text.rindex("}") + 1])

    assert [(item["ruleId"], item["message"]) for item in found["problems"]] == []
    assert code == 0
