import pytest

from bench.scenarios.client import LoadError, figures_of, wrk_counts

WRK = """Running 3s test @ https://127.0.0.1:1/
  1 threads and 32 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     2.36ms    1.02ms  21.83ms   84.92%
  41,000 requests in 3.10s, 172.01MB read
Requests/sec:  13225.80
""".replace("41,000", "41000")


def test_figures_of_client_output_are_parsed() -> None:
    assert figures_of('{"p50_us":9.5,"count":3,"errors":0,"error":""}', "", "rate") == {
        "p50_us": 9.5,
        "count": 3.0,
    }


def test_figures_of_output_with_errors_raise() -> None:
    with pytest.raises(LoadError, match=r"^rate: status 429: slow down$"):
        figures_of('{"errors":2,"error":"status 429: slow down"}', "", "rate")


def test_figures_of_empty_output_raise() -> None:
    with pytest.raises(LoadError, match="no such file"):
        figures_of("", "no such file\n", "rate")


def test_wrk_counts_are_parsed() -> None:
    assert wrk_counts(WRK, "wrk") == (41000, 3.1)
    assert wrk_counts("400 requests in 900.00ms, 1MB read", "wrk") == (400, 0.9)


@pytest.mark.parametrize(
    "output",
    [
        WRK + "  Non-2xx or 3xx responses: 7\n",
        WRK + "  Socket errors: connect 0, read 3, write 0, timeout 0\n",
        "0 requests in 3.10s, 0.00B read",
        "unable to connect to 127.0.0.1:1 Connection refused",
    ],
)
def test_wrk_counts_with_errors_raise(output: str) -> None:
    with pytest.raises(LoadError):
        wrk_counts(output, "wrk")
