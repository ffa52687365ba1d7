import pytest

from bench.about import version_in
from bench.needed import GO, go_version


@pytest.mark.parametrize(
    ("output", "version"),
    [
        ("nginx version: nginx/1.22.1\n", "1.22.1"),
        ("HAProxy version 2.6.12-1+deb12u4 2026/10/17\n", "2.6.12"),
        ("wrk debian/4.1.0-3+b2 [epoll] Copyright (C) 2012 Will Glozer", "4.1.0"),
        ("no version", ""),
    ],
)
def test_version_is_parsed_from_program_output(output: str, version: str) -> None:
    assert version_in(output) == version


@pytest.mark.parametrize(
    ("output", "enough"),
    [
        ("go version go1.26.8 linux/amd64", True),
        ("go version go1.22.0 linux/arm64", True),
        ("go version go1.19.8 linux/amd64", False),
        ("go version devel go1.27-abcdef linux/amd64", True),
        ("", False),
    ],
)
def test_go_version_is_compared_with_minimum(output: str, enough: bool) -> None:
    assert (go_version(output) >= GO) is enough
