"""Dead letters: units that failed for good, with their cause, and the way back."""

from collections import defaultdict
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError, model_validator

from lingoloop_common.errors import Problem
from lingoloop_common.store.database import Database
from lingoloop_common.store.queries import load_queries
from lingoloop_gateway.control import Control
from lingoloop_gateway.runs import iso

SQL = load_queries(__package__, "dead_letters.sql")

REPLAY_LIMIT = 200
"""Letters that one call puts back; the answer says how many are left."""

CODE = "^[a-z_]{1,40}$"
"""What an error's code looks like."""


ONE_WAY: list[JsonValue] = [
    {"required": ["ids"], "properties": {"ids": {"type": "array"}}},
    {"required": ["code"], "properties": {"code": {"type": "string"}}},
    {"required": ["all"], "properties": {"all": {"const": True}}},
]
"""What `Selection._one_way` wants, as a schema says it."""


class Selection(BaseModel):
    """Which letters to put back: `ids`, those with a `code`, or `all`."""

    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_extra={"oneOf": ONE_WAY})

    ids: list[UUID] | None = Field(None, min_length=1, max_length=REPLAY_LIMIT)
    code: str | None = Field(None, pattern=CODE)
    all: bool = False

    @model_validator(mode="after")
    def _one_way(self) -> "Selection":
        if (self.ids is not None) + (self.code is not None) + self.all != 1:
            raise ValueError('send one of {"ids": […]}, {"code": "…"} and {"all": true}')
        return self


def read_selection(body: bytes) -> Selection:
    """Check the body of a replay.

    Raises:
        Problem: `bad_request` when it is no JSON, `invalid_value` when it does not say which letters.
    """
    try:
        return Selection.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        code = "bad_request" if first["type"] == "json_invalid" else "invalid_value"
        name = ".".join(map(str, first["loc"]))
        text = first["msg"].removeprefix("Value error, ")
        raise Problem(code, f"{name}: {text}" if name else text) from None


class DeadLetters:
    """All owners' dead letters, for operators; they hold ids and causes, nothing of a recording."""

    def __init__(self, database: Database, control: Control) -> None:
        self._database, self._control = database, control

    async def page(self, *, before: UUID | None, code: str | None, limit: int) -> list[dict[str, Any]]:
        """Return letters that were not put back, the newest first."""
        rows = await self._database.pool.fetch(SQL["page"], before, code, limit)
        return [
            {
                "id": str(row["id"]),
                "runId": str(row["run_id"]),
                "unitId": str(row["unit_id"]),
                "kind": row["kind"],
                "lane": row["lane"],
                "owner": row["owner"],
                "code": row["error_code"],
                "message": row["error_message"],
                "createdAt": iso(row["created_at"]),
            }
            for row in rows
        ]

    async def replay(self, letter_id: UUID) -> None:
        """Put one back: a retry of its run that is limited to its unit.

        Raises:
            Problem: `not_found`, or `conflict` when it was put back already.
        """
        letter = await self._database.pool.fetchrow(SQL["one"], letter_id)
        if letter is None:
            raise Problem("not_found", "there is no such dead letter")
        if letter["replayed_at"] or not await self._control.replay(letter["run_id"], [letter["unit_id"]]):
            raise Problem("conflict", "this dead letter was put back already")

    async def replay_many(self, selection: Selection) -> dict[str, int]:
        """Put back the chosen ones, one transaction a run; return how many, and how many of them are left."""
        chosen = (selection.ids, selection.code)
        units: defaultdict[UUID, list[UUID]] = defaultdict(list)
        for row in await self._database.pool.fetch(SQL["chosen"], *chosen, REPLAY_LIMIT):
            units[row["run_id"]].append(row["unit_id"])
        replayed = 0
        for run_id, unit_ids in units.items():
            replayed += await self._control.replay(run_id, unit_ids)
        return {
            "replayed": replayed,
            "remaining": await self._database.pool.fetchval(SQL["count_chosen"], *chosen),
        }
