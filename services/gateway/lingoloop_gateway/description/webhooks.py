"""The calls about webhooks."""

from lingoloop_common.auth import READ, WRITE
from lingoloop_gateway.deliveries import STATUSES
from lingoloop_gateway.description.routes import ID, JSON, Answer, Parameter, Route, cursor, json_of, limit
from lingoloop_gateway.description.webhook_shapes import (
    ChangedSecret,
    Delivery,
    DeliveryPage,
    NewWebhook,
    Webhook,
    WebhookPage,
    WebhookSecret,
)
from lingoloop_gateway.parameters import LIST_LIMIT
from lingoloop_gateway.webhook_rules import NewEndpoint
from lingoloop_gateway.webhooks import ENDPOINTS_MOST, OLD_SECRET_HOURS

STATUS = Parameter(
    "status",
    {"type": "string", "pattern": f"^({'|'.join(STATUSES)})(,({'|'.join(STATUSES)}))*$"},
    "Only deliveries with one of these statuses, separated by commas.",
)

ABOUT_MESSAGES = (
    "Signed as Standard Webhooks 1.0 (https://www.standardwebhooks.com) has it, with the secret of the endpoint. Any answer "
    "but 2xx, also a redirect, is a failure, and tried again for hours. A message may come more than once: it has the same "
    "`webhook-id` then. The words are fetched with the run's id."
)

MESSAGE_HEADERS = tuple(
    Parameter(name, {"type": "string"}, says, required=True, place="header")
    for name, says in {
        "webhook-id": "The message's id, to drop doubles by.",
        "webhook-timestamp": "When it was sent, in seconds since 1970.",
        "webhook-signature": "`v1,` and the HMAC-SHA256 in Base64 of id, timestamp and body with dots between them; two of them "
        "with a space between them while two secrets sign.",
    }.items()
)
"""What a message to an endpoint has."""

ROUTES = (
    Route(
        "POST", "/api/webhooks", "Be told of every run that ends", "Webhooks", WRITE,
        {201: json_of(NewWebhook, "It will be; with the secret that signs.", headers=("Location",))},
        # `not_found`: the key's was deleted.
        ("conflict", "invalid_value", "not_found"),
        says=f"Up to {ENDPOINTS_MOST} addresses. One that uploads have named by `webhookUrl` is told of every run from now on.",
        body={JSON: NewEndpoint},
        once=True,
    ),
    Route(
        "GET", "/api/webhooks", "List webhooks", "Webhooks", READ,
        {200: json_of(WebhookPage, "A page.")},
        ("invalid_value",),
        says="Also those that uploads have named by `webhookUrl`.",
        parameters=(limit(50, LIST_LIMIT), cursor()),
    ),
    Route(
        "GET", "/api/webhooks/{endpoint_id}", "Look at a webhook", "Webhooks", READ,
        {200: json_of(Webhook, "How it does.")},
    ),
    Route(
        "DELETE", "/api/webhooks/{endpoint_id}", "Delete a webhook", "Webhooks", WRITE,
        {204: Answer("It is gone with its deliveries; what is under way right now may still arrive.")},
    ),
    Route(
        "GET", "/api/webhooks/{endpoint_id}/secret", "Read a webhook's secret", "Webhooks", WRITE,
        {200: json_of(WebhookSecret, "What signs.")},
    ),
    Route(
        "POST", "/api/webhooks/{endpoint_id}/rotate", "Change a webhook's secret", "Webhooks", WRITE,
        {200: json_of(ChangedSecret, "What signs from now on.")},
        says=f"For {OLD_SECRET_HOURS} hours each message is signed by both, the new one and the one before.",
        once=True,
    ),
    Route(
        "POST", "/api/webhooks/{endpoint_id}/resume", "Resume a paused webhook", "Webhooks", WRITE,
        {200: json_of(Webhook, "How it is now.")},
        says="What waited is sent.",
    ),
    Route(
        "GET", "/api/webhooks/{endpoint_id}/deliveries", "List what a webhook was told", "Webhooks", READ,
        {200: json_of(DeliveryPage, "A page.")},
        ("invalid_value",),
        parameters=(STATUS, limit(50, LIST_LIMIT), cursor(ID)),
    ),
    Route(
        "POST", "/api/webhooks/{endpoint_id}/deliveries/{delivery_id}/redeliver", "Send a delivery again", "Webhooks", WRITE,
        {202: json_of(Delivery, "It will be sent, under the same message id.")},
        ("conflict",),
        says="One that was delivered, or has failed for good; one that is under way is sent anyway.",
    ),
)  # fmt: skip
