"""Contract tests of the GitHub provider."""

from urllib.parse import parse_qsl, urlsplit

from providers.conformance.capabilities import check_browser, check_refresher, check_search
from providers.github.provider import PROVIDER, GithubProvider
from providers.github.settings import GithubSettings
from tests.providers.github.conftest import Make
from tests.support.fake_github import CLIENT, SECRET, FakeGithub


async def test_github_provider_meets_the_contract(make: Make, github: FakeGithub) -> None:
    github.create_user("alice", orgs={"acme": "active", "alpine": "active"})
    github.create_user("alan")
    github._issue("alan")
    (token,) = github.tokens
    provider: GithubProvider = await make(search_token=token)
    values = {"client_id": CLIENT, "client_secret": SECRET, "base_url": github.root}
    schemes = PROVIDER.schemes("ghe", GithubSettings.model_validate(values))

    async def visit(url: str) -> dict[str, str]:
        return dict(parse_qsl(github.approve(urlsplit(url).query, "alice")))

    known = await check_browser(provider, schemes, visit)
    await check_refresher(provider, schemes, known)
    await check_search(provider, schemes, "al")
