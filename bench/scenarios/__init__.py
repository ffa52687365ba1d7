"""Scenarios that run on each server, and the figures that they measure."""

from bench.scenarios.bulk import bulk_scenarios
from bench.scenarios.client import load as load
from bench.scenarios.memory import memory_scenarios
from bench.scenarios.requests import request_scenarios
from bench.scenarios.scenario import EXEC as EXEC
from bench.scenarios.scenario import PODS as PODS
from bench.scenarios.scenario import Effort as Effort
from bench.scenarios.scenario import Figure as Figure
from bench.scenarios.scenario import Figures as Figures
from bench.scenarios.scenario import Scenario as Scenario
from bench.scenarios.sessions import session_scenarios
from bench.scenarios.start import start_scenarios
from bench.scenarios.watches import watch_scenarios
from bench.scenarios.workers import worker_scenarios


def scenarios(effort: Effort) -> list[Scenario]:
    """Return all scenarios in the order of the report."""
    kinds = (
        request_scenarios,
        bulk_scenarios,
        session_scenarios,
        worker_scenarios,
        watch_scenarios,
        memory_scenarios,
        start_scenarios,
    )
    return [scenario for kind in kinds for scenario in kind(effort)]
