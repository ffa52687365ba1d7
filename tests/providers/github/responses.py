"""A provider at the fake GitHub whose rate limit pauses never last."""

import time

from providers.github.provider import GithubProvider
from providers.github.settings import GithubSettings
from tests.support.fake_github import CLIENT, SECRET, FakeGithub


async def github_provider(github: FakeGithub) -> GithubProvider:
    parent = github.create_team("acme", "staff")
    team = github.create_team("acme", "ops", parent)
    emails = [("a@acme.example", True, True)]
    github.create_user("alice", orgs={"acme": "active"}, teams=[team.id], emails=emails)
    values = {"client_id": CLIENT, "client_secret": SECRET, "base_url": github.root}
    provider = GithubProvider("ghe", GithubSettings.model_validate(values), AdvancingClock())
    await provider.start()
    return provider


class AdvancingClock:
    """Clock that advances one day per call, so that no rate limit pause lasts."""

    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        self.now += 86400
        return self.now
