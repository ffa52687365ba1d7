"""Alerts fire when they must and only then, have a runbook each, and name metrics that exist."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.alert_cases import CASES, Case
from tests.docs.test_metrics import metrics
from tests.support.alert_rules import PROCESS_METRICS, ROOT, RULES, metrics_in, rules

RUNBOOKS = ROOT / "docs/runbooks"
HEADINGS = ["Meaning", "Impact", "What to look at", "What to do"]
ALERTS = sorted({rule["alert"] for _, rule in rules()})
INTERVAL = "1m"


def promtool(program: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [program, *arguments], capture_output=True, text=True, timeout=300, check=False
    )


def test_rules_are_valid(promtool_program: Path) -> None:
    done = promtool(promtool_program, "check", "rules", *map(str, RULES))
    assert done.returncode == 0, done.stderr + done.stdout


def test_every_alert_has_a_runbook_and_every_runbook_an_alert() -> None:
    assert sorted(file.stem for file in RUNBOOKS.glob("Sekisho*.md")) == ALERTS


@pytest.mark.parametrize("alert", ALERTS)
def test_runbook_says_what_to_do(alert: str) -> None:
    text = (RUNBOOKS / f"{alert}.md").read_text()
    assert text.startswith(f"# {alert}\n")
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == HEADINGS


def test_alerts_have_severity_texts_and_the_path_of_their_runbook() -> None:
    for _, rule in rules():
        assert rule["labels"]["severity"] in {"critical", "warning"}
        assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}
        assert rule["annotations"]["runbook_url"] == f"docs/runbooks/{rule['alert']}.md"


def test_expressions_name_metrics_that_exist() -> None:
    known = metrics() | PROCESS_METRICS
    named = {name for _, rule in rules() for name in metrics_in(rule["expr"])}
    assert named - known == set()


def test_every_rule_has_cases() -> None:
    named = [(rule["alert"], rule["labels"]["severity"]) for _, rule in rules()]
    assert sorted((case.alert, case.severity) for case in CASES) == sorted(named)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.alert}-{case.severity}")
def test_alert_fires_for_its_reason_and_otherwise_not(
    case: Case, promtool_program: Path, tmp_path: Path
) -> None:
    file = tmp_path / "test.yaml"
    group = {
        "rule_files": list(map(str, RULES)),
        "evaluation_interval": INTERVAL,
        "tests": [one_test(case, case.fires, fires=True), one_test(case, case.quiet, fires=False)],
    }
    file.write_text(yaml.safe_dump(group, sort_keys=False))
    done = promtool(promtool_program, "test", "rules", str(file))
    assert done.returncode == 0, done.stderr + done.stdout


def one_test(case: Case, series: dict[str, str], *, fires: bool) -> dict[str, Any]:
    """Return a test of promtool for one alert."""
    expected = [expected_alert(case)] if fires else []
    return {
        "name": f"{case.alert} {'fires' if fires else 'is quiet'}",
        "interval": INTERVAL,
        "input_series": [{"series": key, "values": value} for key, value in series.items()],
        "alert_rule_test": [
            {
                "eval_time": case.after,
                "alertname": case.alert,
                "exp_alerts": [*expected, *(also(case) if fires else [])],
            }
        ],
    }


def expected_alert(case: Case) -> dict[str, Any]:
    """Return the alert with the labels of its severity, and annotations for its labels."""
    rule = next(
        rule
        for _, rule in rules()
        if (rule["alert"], rule["labels"]["severity"]) == (case.alert, case.severity)
    )
    labels = case.labels | rule["labels"]
    annotations = {
        key: re.sub(r"\{\{ \$labels\.(\w+) \}\}", lambda found: labels.get(found[1], ""), text)
        for key, text in rule["annotations"].items()
    }
    return {"exp_labels": labels, "exp_annotations": annotations}


def also(case: Case) -> list[dict[str, Any]]:
    """Return the alert of the other severity, where the reason of this one includes its reason."""
    return [
        expected_alert(other)
        for other in CASES
        if other.alert == case.alert and other.severity in case.with_severities
    ]
