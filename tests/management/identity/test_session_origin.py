"""The description of where a session began."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from management.identity.session_origin import describe_origin

ADDRESS = "192.0.2.7"
CHROME = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML) Chrome/126.0 "


@pytest.mark.parametrize(
    ("user_agent", "expected"),
    [
        (f"{CHROME}Safari/537.36", "Chrome on Windows at 192.0.2.7"),
        (f"{CHROME}Safari/537.36 Edg/126.0", "Edge on Windows at 192.0.2.7"),
        (
            "Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0",
            "Firefox on Linux at 192.0.2.7",
        ),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) Version/17.5 Safari/604.1",
            "Safari on iOS at 192.0.2.7",
        ),
        ("Python/3.11 aiohttp/3.12", "command line at 192.0.2.7"),
        ("", "sign-in at 192.0.2.7"),
    ],
)
def test_origin_of_a_known_program_names_program_and_system(user_agent: str, expected: str) -> None:
    assert describe_origin(user_agent, ADDRESS) == expected


@given(st.text(max_size=3000))
def test_origin_never_contains_text_of_the_client(user_agent: str) -> None:
    words = describe_origin(user_agent, ADDRESS).removesuffix(f" at {ADDRESS}").split(" on ")
    assert all(word.replace(" ", "").replace("-", "").isalpha() for word in words)
    assert len(words) <= 2
