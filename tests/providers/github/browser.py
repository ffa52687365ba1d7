"""A sign-in with a browser at the fake GitHub."""

from typing import Any
from urllib.parse import parse_qsl, urlsplit

from providers.github.provider import GithubProvider
from tests.support.fake_github import FakeGithub

BACK = "https://sekisho.example/v1/login/ghe/callback"


async def sign_in(
    provider: GithubProvider, github: FakeGithub, login: str = "alice", **query: str
) -> Any:
    start = await provider.start_browser(BACK)
    back = dict(parse_qsl(github.approve(urlsplit(start.url).query, login))) | query
    return await provider.finish_browser(BACK, start.keep, back)
