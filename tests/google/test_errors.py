"""How long Google's quota errors put the work off."""

import pytest

from lingoloop_transcriber.engines import ServerBusy
from lingoloop_transcriber.engines.google.errors import error_of_status
from tests.google.fake import status

RESOURCE_EXHAUSTED = 8


@pytest.mark.parametrize(
    ("said", "waited"), [(5.0, 5.0), (1800.0, 1800.0), (90_000.0, 3600.0), (0.0, 0.1), (None, 30.0)]
)
def test_a_quota_error_waits_as_long_as_google_says_an_hour_at_most(
    said: float | None, waited: float
) -> None:
    error = error_of_status(status(RESOURCE_EXHAUSTED, "Quota exceeded", retry_after=said))
    assert isinstance(error, ServerBusy)
    assert error.seconds == waited
