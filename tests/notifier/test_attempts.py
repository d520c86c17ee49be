"""The rules about webhooks, as tables."""

from datetime import UTC, datetime, timedelta

import pytest

from lingoloop_common.outbound import Answer
from lingoloop_common.settings import SettingsError, read_settings
from lingoloop_notifier.attempts import (
    DeliveryState,
    Outcome,
    Verdict,
    after_try,
    outcome_of,
    reason_to_pause,
)
from lingoloop_notifier.settings import NotifierSettings
from lingoloop_notifier.signing import signed_headers

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
REDIRECT = "the receiver answered 302, a redirect; these are not followed"
DELAYS = (5.0, 300.0)


@pytest.mark.parametrize(
    ("status", "retry_after", "outcome"),
    [
        (200, None, Outcome(200)),
        (204, "60", Outcome(204)),
        (299, None, Outcome(299)),
        (302, None, Outcome(302, REDIRECT)),
        (404, "60", Outcome(404, "the receiver answered 404")),
        (500, "60", Outcome(500, "the receiver answered 500")),
        (429, "60", Outcome(429, "the receiver answered 429", 60)),
        (503, " 60 ", Outcome(503, "the receiver answered 503", 60)),
        (503, "999999999999999999999", Outcome(503, "the receiver answered 503", 3600)),
        (503, "Fri, 27 Nov 2026 12:02:00 GMT", Outcome(503, "the receiver answered 503", 120)),
        (503, "Fri, 27 Nov 2026 11:00:00 GMT", Outcome(503, "the receiver answered 503", 0)),
        (503, "Fri, 27 Nov 2026 12:02:00", Outcome(503, "the receiver answered 503", 0)),  # in no zone
        (503, "soon", Outcome(503, "the receiver answered 503", 0)),
        (503, "-5", Outcome(503, "the receiver answered 503", 0)),
        (503, "", Outcome(503, "the receiver answered 503", 0)),
        (503, None, Outcome(503, "the receiver answered 503", 0)),
    ],
)
def test_what_an_answer_means(status: int, retry_after: str | None, outcome: Outcome) -> None:
    assert outcome_of(Answer(status, retry_after), NOW) == outcome


@pytest.mark.parametrize(
    ("outcome", "tries", "jitter", "verdict"),
    [
        (Outcome(200), 1, 1.0, Verdict(DeliveryState.DELIVERED)),
        (Outcome(200), 9, 1.0, Verdict(DeliveryState.DELIVERED)),
        (Outcome(500, "no"), 1, 1.0, Verdict(DeliveryState.WAITING, 5.0)),
        (Outcome(500, "no"), 2, 1.1, Verdict(DeliveryState.WAITING, 330.0)),
        (Outcome(500, "no"), 3, 1.0, Verdict(DeliveryState.FAILED)),
        (Outcome(500, "no"), 4, 1.0, Verdict(DeliveryState.FAILED)),
        (Outcome(None, "no answer"), 1, 0.9, Verdict(DeliveryState.WAITING, 4.5)),
        (Outcome(429, "no", 60.0), 1, 1.0, Verdict(DeliveryState.WAITING, 60.0)),
        (Outcome(429, "no", 60.0), 2, 1.0, Verdict(DeliveryState.WAITING, 300.0)),
        (Outcome(429, "no", 60.0), 3, 1.0, Verdict(DeliveryState.FAILED)),
        (Outcome(410, "gone"), 1, 1.0, Verdict(DeliveryState.FAILED)),
    ],
)
def test_what_becomes_of_a_delivery(outcome: Outcome, tries: int, jitter: float, verdict: Verdict) -> None:
    assert after_try(outcome, tries, DELAYS, jitter) == verdict


def test_without_delays_there_is_one_try() -> None:
    assert after_try(Outcome(500, "no"), 1, (), 1.0) == Verdict(DeliveryState.FAILED)


@pytest.mark.parametrize(
    ("state", "status", "endpoint_since", "pauses"),
    [
        (DeliveryState.FAILED, 500, 0, True),
        (DeliveryState.FAILED, None, -60, True),
        (DeliveryState.FAILED, 500, 60, False),  # something arrived while this one was tried
        (DeliveryState.WAITING, 500, -60, False),
        (DeliveryState.FAILED, 410, 60, True),
    ],
)
def test_when_an_endpoint_is_paused(
    state: DeliveryState, status: int | None, endpoint_since: float, pauses: bool
) -> None:
    reason = reason_to_pause(
        Verdict(state),
        Outcome(status, "the receiver answered something"),
        endpoint_failing_since=NOW + timedelta(seconds=endpoint_since),
        delivery_failing_since=NOW,
    )
    assert (reason is not None) is pauses


def test_the_reason_says_since_when_and_why() -> None:
    reason = reason_to_pause(
        Verdict(DeliveryState.FAILED),
        Outcome(500, "the receiver answered 500"),
        endpoint_failing_since=NOW,
        delivery_failing_since=NOW,
    )
    assert reason == "nothing has arrived since 2026-11-27 12:00 UTC; the last try: the receiver answered 500"


NEEDED = {
    "database_url": "postgresql://db/x",
    "broker_url": "memory://",
    "auth_jwt_secret": "a-secret-for-tests-that-is-long-enough-0123456789",
}


def test_tries_go_over_most_of_a_day_unless_the_environment_says_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    minute = 60_000
    delays = read_settings(NotifierSettings, **NEEDED).webhook_retry_delays
    assert delays == (5_000, 5 * minute, 30 * minute, 120 * minute, 300 * minute, 600 * minute)
    monkeypatch.setenv("WEBHOOK_RETRY_DELAYS", "100, 200")
    assert read_settings(NotifierSettings, **NEEDED).webhook_retry_delays == (100, 200)
    monkeypatch.setenv("WEBHOOK_RETRY_DELAYS", "5s")
    with pytest.raises(SettingsError, match="WEBHOOK_RETRY_DELAYS: must be milliseconds"):
        read_settings(NotifierSettings, **NEEDED)


def test_a_message_is_signed_as_the_standard_s_example() -> None:
    """The example of the specification's reference implementations."""
    from standardwebhooks import Webhook

    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    at = datetime.fromtimestamp(1614265330, UTC)
    signature = Webhook(secret).sign("msg_p5jXN8AQM9LWM0D4loKWxJek", at, '{"test": 2432232314}')
    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    headers = signed_headers("msg_p5jXN8AQM9LWM0D4loKWxJek", '{"test": 2432232314}', [secret], at)  # type: ignore[arg-type]
    assert headers["webhook-signature"] == signature
    assert headers["webhook-timestamp"] == "1614265330"
