"""`/api/webhooks`: who is told of runs that ended, and what was sent."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from aiohttp import web

from lingoloop_common.auth import READ, WRITE, Callers
from lingoloop_common.http import json_response
from lingoloop_gateway.deliveries import STATUSES, Deliveries
from lingoloop_gateway.idempotency import once, read_key, replayed
from lingoloop_gateway.options import checked, json_object
from lingoloop_gateway.parameters import (
    LIST_LIMIT,
    choices_in_query,
    id_in_path,
    id_in_query,
    number_in_query,
)
from lingoloop_gateway.runs import iso
from lingoloop_gateway.webhook_rules import NewEndpoint
from lingoloop_gateway.webhooks import Webhooks, Written, describe_endpoint

PATH = "/api/webhooks"
NO_STORE = {"Cache-Control": "no-store"}


class WebhooksApi:
    """Handles endpoints and deliveries."""

    def __init__(self, *, callers: Callers, webhooks: Webhooks, deliveries: Deliveries) -> None:
        self._callers, self._webhooks, self._deliveries = callers, webhooks, deliveries

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        one = f"{PATH}/{{endpoint_id}}"
        return [
            web.post(PATH, self.post_webhook),
            web.get(PATH, self.get_webhooks),
            web.get(one, self.get_webhook),
            web.delete(one, self.delete_webhook),
            web.get(f"{one}/secret", self.get_secret),
            web.post(f"{one}/rotate", self.rotate_secret),
            web.post(f"{one}/resume", self.resume_webhook),
            web.get(f"{one}/deliveries", self.get_deliveries),
            web.post(f"{one}/deliveries/{{delivery_id}}/redeliver", self.redeliver),
        ]

    async def post_webhook(self, request: web.Request) -> web.Response:
        """Make an endpoint that is told of every run; answer with its secret."""
        caller = await self._callers.caller(request, WRITE)
        key = read_key(request)
        wanted = checked(NewEndpoint, json_object(await request.read()), strict=True)
        made = await self._webhooks.create(caller.owner, wanted, once(request, caller.owner, key, wanted))
        body = {**describe_endpoint(made.row), "secret": made.row["secret"]}
        return _written(made, body, status=201, headers={"Location": f"{PATH}/{made.row['id']}"})

    async def get_webhooks(self, request: web.Request) -> web.Response:
        """Answer with a page of the caller's endpoints, the newest first."""
        caller = await self._callers.caller(request, READ)
        items, cursor = await self._webhooks.page(
            caller.owner,
            cursor=request.query.get("cursor"),
            limit=number_in_query(request, "limit", default=50, least=1, most=LIST_LIMIT),
        )
        return json_response({"items": items, "nextCursor": cursor})

    async def get_webhook(self, request: web.Request) -> web.Response:
        """Answer with an endpoint."""
        caller = await self._callers.caller(request, READ)
        return json_response(describe_endpoint(await self._webhooks.get(_endpoint_id(request), caller.owner)))

    async def delete_webhook(self, request: web.Request) -> web.Response:
        """Forget an endpoint and its deliveries."""
        caller = await self._callers.caller(request, WRITE)
        await self._webhooks.delete(_endpoint_id(request), caller.owner)
        return web.Response(status=204)

    async def get_secret(self, request: web.Request) -> web.Response:
        """Answer with an endpoint's secret."""
        caller = await self._callers.caller(request, WRITE)
        endpoint = await self._webhooks.get(_endpoint_id(request), caller.owner)
        return json_response({"secret": endpoint["secret"]}, headers=NO_STORE)

    async def rotate_secret(self, request: web.Request) -> web.Response:
        """Change an endpoint's secret; answer with the new one."""
        caller = await self._callers.caller(request, WRITE)
        wish = once(request, caller.owner, read_key(request))
        changed = await self._webhooks.rotate(_endpoint_id(request), caller.owner, wish)
        body = {"secret": changed.row["secret"], "oldSecretUntil": iso(changed.row["old_secret_until"])}
        return _written(changed, body)

    async def resume_webhook(self, request: web.Request) -> web.Response:
        """Send to a paused endpoint again; answer with it."""
        caller = await self._callers.caller(request, WRITE)
        endpoint = await self._webhooks.resume(_endpoint_id(request), caller.owner)
        return json_response(describe_endpoint(endpoint))

    async def get_deliveries(self, request: web.Request) -> web.Response:
        """Answer with a page of what an endpoint was told, or is to be, the newest first."""
        caller = await self._callers.caller(request, READ)
        endpoint = await self._webhooks.get(_endpoint_id(request), caller.owner)
        items, cursor = await self._deliveries.page(
            endpoint["id"],
            caller.owner,
            statuses=choices_in_query(request, "status", STATUSES),
            before=id_in_query(request, "cursor", "delivery"),
            limit=number_in_query(request, "limit", default=50, least=1, most=LIST_LIMIT),
        )
        return json_response({"items": items, "nextCursor": cursor})

    async def redeliver(self, request: web.Request) -> web.Response:
        """Send a delivery that has ended once more; answer with it."""
        caller = await self._callers.caller(request, WRITE)
        delivery_id = id_in_path(request, "delivery_id", "delivery")
        sent = await self._deliveries.send_again(_endpoint_id(request), delivery_id, caller.owner)
        return json_response(sent, status=202)


def _endpoint_id(request: web.Request) -> UUID:
    return id_in_path(request, "endpoint_id", "webhook")


def _written(
    written: Written, body: dict[str, Any], *, status: int = 200, headers: Mapping[str, str] | None = None
) -> web.Response:
    response = json_response(body, status=status, headers={**NO_STORE, **(headers or {})})
    return replayed(response) if written.replayed else response
