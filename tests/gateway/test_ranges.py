"""Range headers, read as RFC 9110 says."""

import pytest

from lingoloop_gateway.ranges import Unsatisfiable, wanted_bytes


@pytest.mark.parametrize(
    ("header", "wanted"),
    [
        ("bytes=0-4", range(5)), ("bytes=5-", range(5, 10)), ("bytes=-3", range(7, 10)), ("bytes=-99", range(10)),
        ("bytes=9-99", range(9, 10)), ("BYTES=1-1", range(1, 2)), (" bytes=1-1 ", range(1, 2)),
        ("", None), ("bytes=", None), ("bytes=-", None), ("bytes=4-3", None), ("bytes=0-1,3-4", None),
        ("items=0-1", None), ("bytes=a-b", None), ("bytes=0-٣", None), ("bytes=+1-2", None), (f"bytes=0-{'9' * 30}", None),
        ("bytes=10-", "none"), ("bytes=10-11", "none"), ("bytes=-0", "none"),
    ],
)  # fmt: skip
def test_a_range_is_read_as_the_rfc_says(header: str, wanted: range | str | None) -> None:
    if wanted == "none":
        with pytest.raises(Unsatisfiable):
            wanted_bytes(header, 10)
    else:
        assert wanted_bytes(header, 10) == wanted
