"""Programs that few tests need: built in the background, if a collected test has their fixture."""

from collections.abc import Generator

import pytest

from tests.support.builds import BUILDS
from tests.support.kubernetes import await_builds

COMPONENTS = {
    "collector": "otel-collector",
    "helm": "helm",
    "management_cluster": "core-manager",
    "metrics_server": "metrics-server",
}
"""build.py's components by the fixture that needs them."""


def steps(item: pytest.Item) -> list[tuple[str, ...]]:
    """Return build.py's arguments for what a test needs."""
    fixtures = getattr(item, "fixturenames", ())
    return [("--component", COMPONENTS[name]) for name in COMPONENTS if name in fixtures]


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Queue the builds that the collected tests need."""
    if not config.option.collectonly:
        for step in dict.fromkeys(step for item in items for step in steps(item)):
            BUILDS.add(*step)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Wait for the builds before the timeout of a test starts."""
    if needed := steps(item):
        await_builds(item.config, needed)
    return (yield)
