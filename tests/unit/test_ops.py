"""ops/: what operators are given fits what the processes tell, and the programs that read it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from worker.http.metrics import DOOR_METRICS as DOOR
from worker.metrics.catalogue import METRICS
from worker.settings.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
OPS = ROOT / "ops"
RULES = OPS / "prometheus" / "rules.yml"
UNITS = sorted((OPS / "systemd").glob("*.service"))
KUBERNETES = "1.33"
_DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}


def named(text: str) -> set[str]:
    """The metrics of ours that an expression names, without what Prometheus appends to those of a histogram."""
    found = set()
    for name in re.findall(r"\bbalance_[a-z_]+", text):
        base = re.sub(r"_(bucket|sum|count)$", "", name)
        found.add(base if base in METRICS or base in DOOR else name)
    return found


def alerts() -> dict[str, dict[str, Any]]:
    groups = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"]}


def promtool() -> str:
    found = shutil.which("promtool")
    if found is None:
        reason = "there is no promtool on this machine (apt-get install prometheus)"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return found


def test_prometheus_takes_the_rules_and_each_fires_when_it_has_to() -> None:
    for words in (["check", "rules", "rules.yml"], ["test", "rules", "rules_test.yml"]):
        done = subprocess.run([promtool(), *words], cwd=RULES.parent, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_is_tried_both_ways() -> None:
    tried = yaml.safe_load((RULES.parent / "rules_test.yml").read_text(encoding="utf-8"))["tests"]
    found = [(rule["alertname"], bool(rule["exp_alerts"])) for test in tried for rule in test["alert_rule_test"]]
    assert sorted(found) == sorted((name, fires) for name in alerts() for fires in (True, False))


def test_alerts_ask_for_metrics_that_there_are() -> None:
    for name, rule in alerts().items():
        assert named(rule["expr"]) <= {*METRICS, *DOOR}, name
        assert rule["labels"]["severity"] in ("critical", "warning"), name


def test_the_page_says_what_to_do_about_each_alert() -> None:
    page = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8").partition("\n## Alerts\n")[2]
    sections = re.findall(r"^### (Balance\w+)\n\n(\S.+\.)$", page, re.MULTILINE)
    assert [name for name, _ in sections] == [*alerts()]
    for name, rule in alerts().items():
        assert rule["annotations"]["runbook"] == f"docs/runbook.md#{name.lower()}"


def panels(dashboard: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from (panel for panel in dashboard["panels"] if panel["type"] != "row")


def test_the_dashboard_is_one_and_shows_metrics_that_there_are() -> None:
    dashboard = json.loads((OPS / "grafana" / "balance-worker.json").read_text(encoding="utf-8"))
    assert dashboard["schemaVersion"] >= 36
    assert dashboard["uid"] == "balance-worker"
    assert dashboard["id"] is None, "it is another one wherever it is imported"
    assert [each["type"] for each in dashboard["templating"]["list"]] == ["datasource"]
    ids, taken, shown = set[int](), set[tuple[int, int]](), set[str]()
    for panel in panels(dashboard):
        ids.add(panel["id"])
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert place["x"] + place["w"] <= 24, panel["title"]
        assert not cells & taken, f"{panel['title']} lies on another"
        taken |= cells
        assert panel["datasource"] == _DATASOURCE, panel["title"]
        assert panel["title"]
        assert panel["targets"], panel["title"]
        for target in panel["targets"]:
            shown |= named(target["expr"])
    assert len(ids) == len([*panels(dashboard)])
    assert shown <= {*METRICS, *DOOR}
    left_out = {*METRICS} - shown
    assert left_out <= {"balance_process_info", "balance_trouble", "balance_verify_entries"}


def test_the_dashboard_asks_what_prometheus_understands(tmp_path: Path) -> None:
    dashboard = json.loads((OPS / "grafana" / "balance-worker.json").read_text(encoding="utf-8"))
    asked = [target["expr"] for panel in panels(dashboard) for target in panel["targets"]]
    rules = [{"record": f"panel:{number}", "expr": expr} for number, expr in enumerate(asked)]
    file = tmp_path / "panels.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    done = subprocess.run([promtool(), "check", "rules", str(file)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def manifests() -> list[dict[str, Any]]:
    [listed] = yaml.safe_load_all((OPS / "kubernetes" / "balance-worker.yaml").read_text(encoding="utf-8"))
    found: list[dict[str, Any]] = listed["items"]
    return found


def test_the_manifests_follow_the_schemas_of_kubernetes() -> None:
    for manifest in manifests():
        kubernetes_validate.validate(manifest, KUBERNETES, strict=True)
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate({**manifests()[2], "spec": {"replica": 2}}, KUBERNETES, strict=True)


def test_workers_are_waited_for_and_not_killed() -> None:
    deployments = [each for each in manifests() if each["kind"] == "Deployment"]
    assert [each["metadata"]["name"].rsplit("-", 1)[1] for each in deployments] == ["money", "io", "beat"]
    for deployment in deployments:
        template = deployment["spec"]["template"]
        assert template["metadata"]["labels"] == deployment["spec"]["selector"]["matchLabels"]
        [container] = template["spec"]["containers"]
        assert container["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "metrics"}
        assert "livenessProbe" not in container, "it would turn an outage into a restart loop"
        assert {"name": "BALANCE_OWNER_URL", "value": ""} in container["env"]
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))["services"]
    for deployment, service in zip(deployments[:2], ("worker", "io-worker"), strict=True):
        [container] = deployment["spec"]["template"]["spec"]["containers"]
        assert container["args"] == compose[service]["command"]
    assert _settings_named(manifests()[0]["data"]) == []


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_a_unit_runs_what_compose_runs(unit: Path) -> None:
    given = [line.partition("=") for line in unit.read_text(encoding="utf-8").splitlines() if "=" in line[:40]]
    lines = [(name, value) for name, _, value in given if not name.startswith("#")]
    said = dict(lines)
    service = {"money": "worker", "io": "io-worker", "beat": "beat"}[unit.stem.rsplit("-", 1)[1]]
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))["services"][service]
    assert said["ExecStart"].replace("%%", "%").split("/bin/")[1].split() == compose["command"]
    assert int(said["TimeoutStopSec"]) == int(compose["stop_grace_period"].removesuffix("s")) or service == "beat"
    assert _settings_named(dict(v.split("=", 1) for name, v in lines if name == "Environment")) == []


def test_units_of_one_machine_have_a_port_each() -> None:
    ports = re.findall(r"BALANCE_METRICS_PORT=(\d+)", "".join(unit.read_text(encoding="utf-8") for unit in UNITS))
    assert len(set(ports)) == len(UNITS) == 3


def _settings_named(environment: dict[str, str]) -> list[str]:
    """Those that are none."""
    known = {f"BALANCE_{name.upper()}" for name in Settings.model_fields}
    return sorted(set(environment) - known)
