import pytest

from bench.scenarios.client import LoadError, figures_of, wrk_counts

WRK = """Running 3s test @ https://127.0.0.1:1/
  1 threads and 32 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     2.36ms    1.02ms  21.83ms   84.92%
  41,000 requests in 3.10s, 172.01MB read
Requests/sec:  13225.80
""".replace("41,000", "41000")


def test_what_the_client_saw_is_read() -> None:
    assert figures_of('{"p50_us":9.5,"count":3,"errors":0,"error":""}', "", "rate") == {
        "p50_us": 9.5,
        "count": 3.0,
    }


def test_errors_of_a_load_are_ours() -> None:
    with pytest.raises(LoadError, match=r"^rate: status 429: slow down$"):
        figures_of('{"errors":2,"error":"status 429: slow down"}', "", "rate")


def test_a_client_that_says_nothing_failed() -> None:
    with pytest.raises(LoadError, match="no such file"):
        figures_of("", "no such file\n", "rate")


def test_requests_and_seconds_are_read_off_wrk() -> None:
    assert wrk_counts(WRK, "wrk") == (41000, 3.1)
    assert wrk_counts("400 requests in 900.00ms, 1MB read", "wrk") == (400, 0.9)


@pytest.mark.parametrize(
    "said",
    [
        WRK + "  Non-2xx or 3xx responses: 7\n",
        WRK + "  Socket errors: connect 0, read 3, write 0, timeout 0\n",
        "0 requests in 3.10s, 0.00B read",
        "unable to connect to 127.0.0.1:1 Connection refused",
    ],
)
def test_what_wrk_complains_of_is_an_error(said: str) -> None:
    with pytest.raises(LoadError):
        wrk_counts(said, "wrk")
