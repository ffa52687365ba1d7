"""The table of what a tunnel costs."""

from bench.tunnel import tabulated
from bench.tunnel_systems import DIRECT, REMOTEDIALER, TUNNEL


def test_cost_of_a_tunnel_is_shown_beside_the_same_front_without_one() -> None:
    found = {
        "one stream down: CPU ms/MB": {DIRECT: [1.0, 2.0, 3.0], TUNNEL: [4.0, 6.0, 8.0]},
        "one stream down: CPU ms/MB, agent": {TUNNEL: [1.0]},
        "one stream down: MB/s": {DIRECT: [200.0], TUNNEL: [70.0], REMOTEDIALER: [130.0]},
    }
    assert tabulated(found).splitlines() == [
        "|  | sekisho direct | sekisho tunnel | remotedialer |",
        "| --- | ---: | ---: | ---: |",
        "| one stream down: CPU ms/MB | 2 | 6 (+4) | – |",
        "| one stream down: CPU ms/MB, agent | – | 1 | – |",
        "| one stream down: MB/s | 200 | 70 | 130 |",
    ]
