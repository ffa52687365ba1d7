"""Settings of traces."""

import pytest
from pydantic import ValidationError

from config.trace_settings import TraceSettings

URL = "http://127.0.0.1:4318/v1/traces"


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"endpoint": "127.0.0.1:4318"}, "not a URL"),
        ({"endpoint": "ftp://x/v1/traces"}, "not a URL"),
        ({"endpoint": "http://x:0/v1/traces"}, "not a URL"),
        ({"endpoint": "http://x:99999/v1/traces"}, "not a URL"),
        ({"endpoint": "http://[::1/v1/traces"}, "not a URL"),
        ({"endpoint": "http://x/v1/tra ces"}, "not a URL"),
        ({"endpoint": "http://user:key@x/v1/traces"}, "headers_file"),
        ({"endpoint": "http://x/v1/traces?key=1"}, "query"),
        ({"endpoint": "http://x:4318"}, "/v1/traces"),
        ({"endpoint": URL, "ratio": 1.1}, "less than or equal to 1"),
        ({"endpoint": URL, "headers": "no header"}, "api-key: 0123abcd"),
        ({"endpoint": URL, "headers": "a: b\n: c"}, "api-key: 0123abcd"),
        ({"endpoint": URL, "service_name": "a b"}, "letters"),
        ({"endpoint": URL, "trusted_networks": ("ingress",)}, "address or network"),
        ({"ratio": 0.5}, "no effect without endpoint"),
    ],
)
def test_trace_settings_that_cannot_work_are_refused(
    values: dict[str, object], problem: str
) -> None:
    with pytest.raises(ValidationError, match=problem):
        TraceSettings.model_validate(values)


def test_headers_are_read_line_by_line_and_not_shown() -> None:
    settings = TraceSettings.model_validate(
        {"endpoint": URL, "headers": "api-key: s3cret:1\n\n  x-tenant:shop \n"}
    )
    assert settings.header_lines == {"api-key": "s3cret:1", "x-tenant": "shop"}
    assert "s3cret" not in repr(settings)
    assert TraceSettings().header_lines == {}
