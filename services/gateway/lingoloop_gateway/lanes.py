"""Lanes: which one a run's options name, and which are known."""

from datetime import datetime
from typing import Any

from lingoloop_common.contracts.engines import Abilities, lacking
from lingoloop_common.contracts.units import lane_name
from lingoloop_common.errors import Problem
from lingoloop_common.store.database import Database
from lingoloop_common.store.queries import load_queries
from lingoloop_gateway.options import RunOptions

SQL = load_queries(__package__, "lanes.sql")


class Lanes:
    """Knows the lane of uploads that name none, and asks the database for the others."""

    def __init__(self, database: Database, engine: str, model: str | None) -> None:
        self._database, self._engine, self._model = database, engine, model

    @property
    def default(self) -> str:
        """The lane of uploads that name none."""
        return lane_name(self._engine, self._model)

    async def known(self) -> dict[str, datetime]:
        """Return the lanes that a worker has ever announced, each with a time at which one did."""
        rows = await self._database.pool.fetch(SQL["known_lanes"])
        return {row["lane"]: row["since"] for row in rows}

    async def offered(self) -> list[dict[str, Any]]:
        """Return what workers have ever offered, as clients see it: what each can its last worker says."""
        return [
            {
                **engine_of(row["lane"]),
                "lane": row["lane"],
                "languages": abilities.languages,
                "can": sorted(abilities.can),
                "alive": row["alive"],
            }
            for row in await self._database.pool.fetch(SQL["lanes_offered"])
            for abilities in [Abilities.model_validate(row["abilities"] or {})]
        ]

    async def named_by(self, options: RunOptions) -> str:
        """Return the lane that options name.

        Raises:
            Problem: `unknown_lane` for one that no worker ever offered, `unsupported` if it cannot do what is asked.
        """
        engine = options.engine or self._engine
        # "long" is the document's word for "large", not a model.
        model = None if options.model == "long" else options.model
        if model is None and engine == self._engine:
            model = self._model
        try:
            lane = lane_name(engine, model)
        except ValueError as error:
            raise Problem("invalid_value", str(error)) from None
        rows = await self._database.pool.fetch(SQL["abilities"])
        known = {row["lane"]: Abilities.model_validate(row["abilities"] or {}) for row in rows}
        if lane not in known:
            raise Problem(
                "unknown_lane", f"no worker has ever offered {lane}; start one, or choose another model"
            )
        if missing := lacking(known[lane], options):
            able = sorted(name for name, abilities in known.items() if not lacking(abilities, options))
            others = f"these can: {', '.join(able)}" if able else "no other engine here can"
            raise Problem("unsupported", f"{lane} {' and '.join(missing.values())}; {others}", fields=missing)
        return lane


def engine_of(lane: str) -> dict[str, str | None]:
    """Return the engine that a lane is of, and its model, None where it has none to choose from. Pure."""
    engine, _, model = lane.partition(".")
    return {"engine": engine, "model": model or None}
