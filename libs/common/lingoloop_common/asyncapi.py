"""The AsyncAPI 3.0 document of the messages: tokens, events and frames, made of the models that encode them. Pure."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from pydantic.json_schema import models_json_schema

from lingoloop_common.broker import EVENTS, WORK, queue_name
from lingoloop_common.contracts import events
from lingoloop_common.contracts.events import SHARDS, RunDone, RunInit, RunUpdated, Snapshot, StreamError
from lingoloop_common.contracts.units import LANE_PATTERN

TRACEPARENT = "The trace that it belongs to, where there is one (W3C Trace Context)."
REF = "#/components/schemas/{model}"


class EventHeaders(BaseModel):
    """An event's attributes in AMQP binary mode (CloudEvents AMQP binding 1.0.2, section 3.1)."""

    model_config = ConfigDict(extra="forbid", alias_generator=lambda name: f"cloudEvents_{name}")

    specversion: Literal["1.0"]
    id: UUID
    type: Literal["lingoloop.run.updated.v1", "lingoloop.run.done.v1"]
    source: Literal["/lingoloop"]
    subject: UUID = Field(description="The run.")
    time: datetime
    owner: str
    seq: int = Field(description="Numbers the run's events, without a gap.")
    ownerseq: int = Field(description="Numbers the owner's events, without a gap.")
    traceparent: Annotated[str, Field(alias="traceparent", description=TRACEPARENT)] = ""


EVENT_BODIES: Mapping[str, type[BaseModel]] = {events.UPDATED: RunUpdated, events.DONE: RunDone}
"""By CloudEvents type."""

FRAMES: Mapping[str, type[BaseModel]] = {
    "init": RunInit,
    "update": RunUpdated,
    "done": RunDone,
    "snapshot": Snapshot,
    "error": StreamError,
}
"""By the `event` in their data."""

RUN_FRAMES = ("init", "update", "done", "error")
OWNER_FRAMES = ("snapshot", "update", "done", "error")


def asyncapi(*, version: str) -> dict[str, Any]:
    """Return the document."""
    models: list[type[BaseModel]] = [EventHeaders, *FRAMES.values()]
    _, schemas = models_json_schema([(model, "validation") for model in models], ref_template=REF)
    channels = _channels()
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "LingoLoop messages",
            "version": version,
            "description": "Work tokens and events on RabbitMQ, and the frames of the event streams.",
        },
        "defaultContentType": "application/json",
        "servers": {
            "rabbitmq": _server("rabbitmq:5672", "amqp", "Where `BROKER_URL` points."),
            "gateway": _server(
                "localhost:3002", "http", "The public API; `/api/openapi.json` describes the rest."
            ),
        },
        "channels": channels,
        "operations": _operations(channels),
        "components": {"messages": _messages(), "schemas": schemas["$defs"]},
    }


def _server(host: str, protocol: str, says: str) -> dict[str, str]:
    return {"host": host, "protocol": protocol, "description": says}


def _channels() -> dict[str, Any]:
    run_id = {"description": "The run's id."}
    return {
        "work": {
            "address": queue_name("{lane}"),
            "description": "One quorum queue a lane. A token says that a unit of the lane became ready, not which one.",
            "parameters": {
                "lane": {"description": f"An engine, or an engine and a model: `{LANE_PATTERN.pattern}`."}
            },
            "messages": _refs(["token"]),
            "servers": [{"$ref": "#/servers/rabbitmq"}],
            "bindings": _exchange(WORK, "direct"),
        },
        "events": {
            "address": "{shard}.{runId}.{type}",
            "description": "A notifier binds the shards that its subscribers need; an event that nobody needs is dropped.",
            "parameters": {
                "shard": {"description": f"CRC-32 of the owner modulo {SHARDS}."},
                "runId": run_id,
                "type": {"description": "The event's type.", "enum": list(EVENT_BODIES)},
            },
            "messages": _refs(EVENT_BODIES),
            "servers": [{"$ref": "#/servers/rabbitmq"}],
            "bindings": _exchange(EVENTS, "topic"),
        },
        "runStream": {
            "address": "/api/runs/{runId}/events",
            "description": "Server-sent events of one run; the stream ends after `done`. An `id` is the run's `seq`.",
            "parameters": {"runId": run_id},
            "messages": _refs(f"frame.{name}" for name in RUN_FRAMES),
            "servers": [{"$ref": "#/servers/gateway"}],
        },
        "ownerStream": {
            "address": "/api/runs/events",
            "description": "Server-sent events of all runs of the caller; the stream stays open. An `id` is the owner's.",
            "messages": _refs(f"frame.{name}" for name in OWNER_FRAMES),
            "servers": [{"$ref": "#/servers/gateway"}],
        },
    }


def _exchange(name: str, kind: str) -> dict[str, Any]:
    exchange = {"name": name, "type": kind, "durable": True, "autoDelete": False}
    return {"amqp": {"is": "routingKey", "exchange": exchange, "bindingVersion": "0.3.0"}}


def _refs(names: Iterable[str]) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/messages/{name}"} for name in names}


def _operations(channels: Mapping[str, Any]) -> dict[str, Any]:
    """Return what services do with each channel, as they see it themselves."""
    actions = [
        ("publishToken", "send", "work"),
        ("takeToken", "receive", "work"),
        ("publishEvent", "send", "events"),
        ("receiveEvent", "receive", "events"),
        ("streamRun", "send", "runStream"),
        ("streamOwner", "send", "ownerStream"),
    ]
    return {
        name: {
            "action": action,
            "channel": {"$ref": f"#/channels/{channel}"},
            "messages": [
                {"$ref": f"#/channels/{channel}/messages/{message}"}
                for message in channels[channel]["messages"]
            ],
        }
        for name, action, channel in actions
    }


def _messages() -> dict[str, Any]:
    token = {
        "name": "token",
        "summary": "A unit in this lane became ready.",
        "description": "The body is empty. The AMQP message id names the token: it is the same at each delivery.",
        "contentType": "application/octet-stream",
        "payload": {"type": "string", "maxLength": 0},
    }
    told = {
        kind: {
            "name": kind,
            "summary": model.__doc__,
            "contentType": "application/json",
            "headers": {"$ref": REF.format(model=EventHeaders.__name__)},
            "payload": {"$ref": REF.format(model=model.__name__)},
        }
        for kind, model in EVENT_BODIES.items()
    }
    frames = {
        f"frame.{name}": {
            "name": name,
            "summary": model.__doc__,
            "description": "The `data` of a server-sent event.",
            "contentType": "application/json",
            "payload": {"$ref": REF.format(model=model.__name__)},
        }
        for name, model in FRAMES.items()
    }
    return {"token": token, **told, **frames}
