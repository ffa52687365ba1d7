"""GitHub's provider keeps the contract."""

from urllib.parse import parse_qsl, urlsplit

from providers.contract import check_browser, check_refresher, check_search
from providers.github import PROVIDER, GithubProvider
from providers.github_settings import GithubSettings
from tests.parts.fake_github import CLIENT, SECRET, FakeGithub
from tests.providers.github.conftest import Make


async def test_it_signs_in_refreshes_and_finds(make: Make, github: FakeGithub) -> None:
    github.person("alice", orgs={"acme": "active", "alpine": "active"})
    github.person("alan")
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
