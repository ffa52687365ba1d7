"""Ports of test servers: two servers that are not started yet never get the same one."""

from tests.support.isolation import free_port


def test_ports_chosen_one_after_the_other_are_different() -> None:
    ports = [free_port() for _ in range(500)]
    assert len(set(ports)) == len(ports)
