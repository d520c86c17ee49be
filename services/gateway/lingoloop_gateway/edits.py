"""What people change in a transcript: the text and the speaker of a segment, the names of speakers."""

from typing import Annotated, Any
from uuid import UUID

from aiohttp import web
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from lingoloop_common.auth import WRITE, Callers
from lingoloop_common.contracts.text import plain
from lingoloop_common.errors import Problem
from lingoloop_common.http import json_response
from lingoloop_common.store.database import Database
from lingoloop_common.store.queries import load_queries
from lingoloop_gateway.indexing import BLOCK, index_blocks
from lingoloop_gateway.options import checked, json_object
from lingoloop_gateway.parameters import id_in_path, number_in_path
from lingoloop_gateway.runs import Runs

SQL = load_queries(__package__, "edits.sql")


def _said(text: str) -> str:
    if not (name := plain(text)):
        raise ValueError("must not be blank")
    return name


NOT_BLANK: JsonDict = {"pattern": r"[^\s\x00-\x1f\x7f-\x9f]"}
"""For the description: `plain` leaves something of such a text."""

Text = Annotated[str, Field(max_length=5_000), AfterValidator(plain)]
Label = Annotated[str, Field(max_length=40, json_schema_extra=NOT_BLANK), AfterValidator(_said)]
Name = Annotated[str, Field(max_length=100, json_schema_extra=NOT_BLANK), AfterValidator(_said)]


class SegmentEdit(BaseModel):
    """What is changed; null is as the machine has it, an empty text says that nothing was said."""

    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_extra={"minProperties": 1})

    text: Text | None = None
    speaker: Label | None = None


class SpeakerNames(BaseModel):
    """Names by label, all that there are."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    speakers: dict[Label, Name] = Field(max_length=100, json_schema_extra={"additionalProperties": False})


class Edits:
    """Handles edits. They stay beside the machine's version, which `?original=1` reads.

    A segment is stored once: a retry does only what is missing, so no edit ever meets other words than it was made for.
    Another run over the recording has none. The last one who changes a text, or a speaker, wins. A run's stream has ended
    by the time that most edits are made, so they are no events: whoever looks reads the segments again.
    """

    def __init__(self, *, callers: Callers, database: Database, runs: Runs) -> None:
        self._callers, self._database, self._runs = callers, database, runs

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        return [
            web.patch("/api/runs/{run_id}/segments/{index}", self.patch_segment),
            web.put("/api/runs/{run_id}/speakers", self.put_speakers),
        ]

    async def patch_segment(self, request: web.Request) -> web.Response:
        """Change a segment's text or speaker or both; null brings the machine's back. Answer with the segment."""
        caller = await self._callers.caller(request, WRITE)
        run_id, index = id_in_path(request, "run_id", "run"), number_in_path(request, "index", "segment")
        edit = checked(SegmentEdit, json_object(await request.read()))
        if not edit.model_fields_set:
            raise Problem("invalid_value", "give a text, a speaker, or both")
        return json_response(await self.edit(run_id, index, caller.owner, edit))

    async def put_speakers(self, request: web.Request) -> web.Response:
        """Name speakers by their labels; labels that are not in the body have no name any more."""
        caller = await self._callers.caller(request, WRITE)
        run_id = id_in_path(request, "run_id", "run")
        names = checked(SpeakerNames, json_object(await request.read())).speakers
        found = await self._database.pool.fetchval(SQL["name_speakers"], run_id, caller.owner, names)
        if found is None:
            raise Problem("not_found", "there is no such run")
        return json_response({"speakers": found})

    async def edit(self, run_id: UUID, index: int, owner: str, edit: SegmentEdit) -> dict[str, Any]:
        """Store an edit and return the segment as it is now; raise Problem `not_found`."""
        given = edit.model_fields_set
        async with self._database.pool.acquire() as connection, connection.transaction():
            run = await connection.fetchrow(SQL["lock_run"], run_id, owner)
            if run is None:
                raise Problem("not_found", "there is no such run")
            values = (edit.text, "text" in given, edit.speaker, "speaker" in given)
            if await connection.fetchval(SQL["edit_segment"], run_id, index, *values) is None:
                raise Problem("not_found", "there is no such segment")
            await connection.execute(SQL["forget_edit"], run_id, index)
            if "text" in given and run["searchable"]:  # else all of it is still to be indexed
                block = index // BLOCK
                await index_blocks(connection, run_id, owner, range(max(0, block - 1), block + 1))
        found = await self._runs.segments(run_id, owner, after=index - 1, limit=1)
        if not found:  # deleted in this moment
            raise Problem("not_found", "there is no such segment")
        return found[0]
