"""The addresses of directory servers, and their order."""

import pytest

from providers.ldap.servers import ServerAddress, ServerList, parse_server


class TestServers:
    @pytest.mark.parametrize(
        ("text", "server"),
        [
            ("ldaps://dc1", ServerAddress("dc1", 636, True)),
            ("ldap://dc1:1389/", ServerAddress("dc1", 1389, False)),
            ("ldaps://[::1]:1636", ServerAddress("::1", 1636, True)),
        ],
    )
    def test_server_url_is_parsed(self, text: str, server: ServerAddress) -> None:
        assert parse_server(text) == server
        assert parse_server(str(server)) == server

    @pytest.mark.parametrize(
        "text",
        ["", "dc1", "https://dc1", "ldaps://", "ldaps://dc1:x", "ldaps://dc1/dc=x", "ldap://a@dc1"],
    )
    def test_invalid_server_url_raises(self, text: str) -> None:
        with pytest.raises(ValueError, match=r"server's URL|remove the rest"):
            parse_server(text)

    def test_failed_server_is_last_until_its_pause_ends(self) -> None:
        now = [0.0]
        first, second, third = (ServerAddress(host, 636, True) for host in ("a", "b", "c"))
        line = ServerList([first, second, third], lambda: now[0])
        line.failed(first)
        assert line.order() == [second, third, first]
        now[0] = 1.0
        line.failed(second)
        assert line.order() == [third, first, second]
        line.worked(second)
        assert line.order() == [second, third, first]
        now[0] = 40.0
        assert line.order() == [first, second, third]
