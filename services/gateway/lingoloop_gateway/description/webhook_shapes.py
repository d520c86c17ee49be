"""The shapes of answers about webhooks."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from lingoloop_gateway.description.shapes import Shape


class Webhook(Shape):
    """An endpoint: who is told of runs that have ended."""

    id: UUID
    url: str
    every_run: bool
    """False: only of those whose upload named it by `webhookUrl`."""

    created_at: datetime
    failing_since: datetime | None
    """The first failure since something arrived."""

    paused_at: datetime | None
    """Nothing is sent until it is resumed."""

    paused_because: str | None


class NewWebhook(Webhook):
    """An endpoint with the secret that signs."""

    secret: str


class WebhookPage(Shape):
    """A page of endpoints, the newest first."""

    items: list[Webhook]
    next_cursor: str | None
    """Null on the last page."""


class WebhookSecret(Shape):
    """What signs."""

    secret: str


class ChangedSecret(WebhookSecret):
    """What signs from now on."""

    old_secret_until: datetime
    """Until then the one before signs too."""


class Delivery(Shape):
    """A message to an endpoint."""

    id: UUID
    message_id: UUID
    """As the receiver sees it, in `webhook-id`; the same each time it is sent."""

    run_id: UUID
    type: str
    status: Literal["waiting", "ready", "sending", "delivered", "failed"]
    tries: int
    """Since it was written, or sent again by hand."""

    status_code: int | None
    """The last answer's; null where there was none."""

    error: str | None
    """Why the last try failed."""

    created_at: datetime
    delivered_at: datetime | None
    next_try_at: datetime | None


class DeliveryPage(Shape):
    """A page of deliveries, the newest first."""

    items: list[Delivery]
    next_cursor: UUID | None
    """Null on the last page."""
