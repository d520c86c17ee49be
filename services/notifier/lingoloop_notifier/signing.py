"""Signs webhooks as Standard Webhooks 1.0 has it. Pure."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from standardwebhooks import Webhook


def signed_headers(event_id: UUID, body: str, secrets: Sequence[str], now: datetime) -> dict[str, str]:
    """Return the headers of a message.

    Args:
        event_id: the message's id.
        body: as it will be sent.
        secrets: each of them signs, so that a receiver may have either while it changes over.
        now: with its zone.
    """
    signatures = [Webhook(secret).sign(str(event_id), now, body) for secret in secrets]
    return {
        "Content-Type": "application/json",
        "webhook-id": str(event_id),
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(signatures),
    }
