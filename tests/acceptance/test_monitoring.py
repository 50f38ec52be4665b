from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from lanrage_events_discord.testing import StandInDiscord

from ._daemons import running

DEPLOY = Path(__file__).parents[2] / "deploy"
RULES = DEPLOY / "prometheus" / "lanrage-events.rules.yml"
TESTS = DEPLOY / "prometheus" / "lanrage-events.test.yml"
CONFIG = DEPLOY / "prometheus" / "prometheus.yml"
DASHBOARD = DEPLOY / "grafana" / "lanrage-events.json"
PAGE = Path(__file__).parents[2] / "docs" / "monitoring.md"

NAME = re.compile(r"\blanrage_\w+")
# What Prometheus adds to what it scrapes.
ADDED = {"instance", "job"}

IS_REQUIRED = "LANRAGE_EVENTS_REQUIRE_TOOLS" in os.environ
needs_promtool = pytest.mark.skipif(
    not IS_REQUIRED and shutil.which("promtool") is None,
    reason="promtool is not installed; it is in Debian's package prometheus",
)


def panels() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(DASHBOARD.read_text("utf-8"))["panels"]
    return found


def rules() -> list[dict[str, Any]]:
    [group] = yaml.safe_load(RULES.read_text("utf-8"))["groups"]
    found: list[dict[str, Any]] = group["rules"]
    return found


def expressions() -> Iterator[str]:
    for panel in panels():
        for target in panel["targets"]:
            yield target["expr"]

    for rule in rules():
        yield rule["expr"]


def promtool(*words: str | Path, folder: Path) -> str:
    result = subprocess.run(
        ["promtool", *words],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=30,
    )
    assert result.returncode == 0, result.stdout
    return result.stdout


@needs_promtool
def test_the_rules_alert_as_their_tests_say() -> None:
    folder = RULES.parent
    assert f"SUCCESS: {len(rules())} rules found" in promtool(
        "check", "rules", RULES.name, folder=folder
    )
    promtool("test", "rules", TESTS.name, folder=folder)


def test_every_alert_has_a_test_and_a_line_on_the_page() -> None:
    names = [rule["alert"] for rule in rules()]
    [group] = yaml.safe_load(TESTS.read_text("utf-8"))["tests"]
    tested = {test["alertname"] for test in group["alert_rule_test"] if test["exp_alerts"]}
    assert tested == {*names}
    assert re.findall(r"^\| `(\w+)` \|", PAGE.read_text("utf-8"), re.MULTILINE) == names


@needs_promtool
def test_prometheus_accepts_the_configuration(tmp_path: Path) -> None:
    text = CONFIG.read_text("utf-8").replace("/etc/prometheus/", f"{tmp_path}/")
    (tmp_path / "prometheus.yml").write_text(text, "utf-8")
    (tmp_path / "lanrage-events-token").touch()
    shutil.copy(RULES, tmp_path)
    assert "1 rule files found" in promtool("check", "config", "prometheus.yml", folder=tmp_path)


@needs_promtool
def test_what_the_dashboard_asks_is_promql(tmp_path: Path) -> None:
    asked = [
        expression.replace("$__rate_interval", "5m").replace("$instance", ".*")
        for expression in expressions()
    ]
    records = [{"record": f"r{number}", "expr": expr} for number, expr in enumerate(asked)]
    groups = {"groups": [{"name": "dashboard", "rules": records}]}
    (tmp_path / "asked.yml").write_text(json.dumps(groups), "utf-8")
    promtool("check", "rules", "asked.yml", folder=tmp_path)


def test_the_panels_of_the_dashboard_do_not_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in panels():
        at = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24  # the width of Grafana's grid
        taken |= cells

    assert len({panel["id"] for panel in panels()}) == len(panels())


def write_files(discord: StandInDiscord, webhook_url: str) -> None:
    plugins = {
        "http": {"port": 0},
        "parties": {},
        "discord": {"webhook_url": webhook_url, "allow_hosts": [discord.host], "cards": True},
        "minecraft": {"use": "logfile", "path": "latest.log", "preset": "minecraft"},
    }
    config = {"state_folder": "./state", "plugins": plugins}
    Path("latest.log").touch()
    Path("lanrage.yaml").write_text(json.dumps(config), "utf-8")


@pytest.mark.real_clock
@pytest.mark.slow
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_every_metric_that_is_asked_for_exists(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    discord = StandInDiscord()
    webhook = discord.create_webhook()
    async with discord.serve():
        write_files(discord, webhook.url)
        async with running("run") as daemon, httpx.AsyncClient() as client:
            await daemon.wait_for("ready")
            page = re.findall(r"(http://127\S+)/", daemon.log)[0]
            event = {"type": "notification", "title": "Pizza", "message": "It is here."}
            (await client.post(f"{page}/api/events", json=event)).raise_for_status()
            text = (await client.get(f"{page}/metrics")).raise_for_status().text
            daemon.process.terminate()
            assert await daemon.wait() == 0

    exposed: defaultdict[str, set[str]] = defaultdict(set)
    for family in text_string_to_metric_families(text):
        exposed[family.name if family.type != "counter" else f"{family.name}_total"] |= set()
        for sample in family.samples:
            exposed[sample.name] |= {*sample.labels}

    for file in (RULES, TESTS, DASHBOARD):
        asked = {*NAME.findall(file.read_text("utf-8"))}
        assert asked
        assert asked <= exposed.keys(), file.name

    for expression in expressions():
        for name, matchers in re.findall(r"(lanrage_\w+)\{(.*?)\}", expression):
            assert {*re.findall(r"(\w+)=", matchers)} <= exposed[name] | ADDED, expression

        for grouped in re.findall(r"by \((.*?)\)", expression):
            known = set[str]().union(*(exposed[name] for name in NAME.findall(expression)))
            # What counts reasons has no sample before the first failure.
            by_reason = {"lane", "reason"}
            labels = {*re.split(r",\s*", grouped)}
            assert labels in (labels & (known | ADDED), by_reason), expression
