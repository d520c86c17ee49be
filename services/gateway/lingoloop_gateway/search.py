"""Search: an owner's runs by what is said in them, as people have corrected it, and by their recordings' names."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Any

from lingoloop_common.store.database import Database
from lingoloop_common.store.queries import load_queries
from lingoloop_common.store.runs import Row
from lingoloop_gateway.cursors import cursor_after, read_cursor
from lingoloop_gateway.indexing import read_blocks
from lingoloop_gateway.runs import Runs
from lingoloop_gateway.search_words import JoinedText, Term, read_query

SQL = load_queries(__package__, "search.sql")

MATCHES = 3
"""Segments shown of a run."""


class Search:
    """One owner's runs; the query names the owner."""

    def __init__(self, database: Database, runs: Runs) -> None:
        self._database, self._runs = database, runs

    async def page(
        self, owner: str, query: str, *, statuses: list[str] | None, cursor: str | None, limit: int
    ) -> tuple[list[dict[str, Any]], str | None]:
        """Return runs as `Runs.page` does, of those that are asked for, each with `matches`.

        Raises:
            Problem: `invalid_value` for a query of nothing, or too long, or a cursor that no page gave.
        """
        terms = read_query(owner, query)
        before = read_cursor(cursor) if cursor else (None, None)
        queries = [term.query for term in terms]
        found = await self._database.pool.fetch(
            SQL["runs_found"], owner, statuses, *before, limit + 1, queries
        )
        rows = found[:limit]
        matches = await self._matches(terms, rows)
        items = [
            {**await self._runs.describe(row), "matches": shown}
            for row, shown in zip(rows, matches, strict=True)
        ]
        return items, cursor_after(rows[-1]) if len(found) > limit else None

    async def _matches(self, terms: Sequence[Term], rows: Sequence[Row]) -> list[list[dict[str, Any]]]:
        """Return what to show of each run. Most often the best block has enough; only else the others are read."""
        texts: list[list[Sequence[Row]]] = [[] for _ in rows]
        matches: list[list[dict[str, Any]]] = [[] for _ in rows]
        for some in (slice(0, 1), slice(1, None)):
            wanted = [
                (place, block)
                for place, row in enumerate(rows)
                if len(matches[place]) < MATCHES
                for block in row["blocks"][some]
            ]
            blocks = await read_blocks(
                self._database.pool, [(rows[place]["id"], block) for place, block in wanted]
            )
            for (place, _), block_texts in zip(wanted, blocks, strict=True):
                texts[place].append(block_texts)
            changed = sorted({place for place, _ in wanted})
            shown = await asyncio.to_thread(
                lambda of: [find_matches(terms, texts[place]) for place in of], changed
            )
            for place, of_run in zip(changed, shown, strict=True):
                matches[place] = of_run
        return matches


def find_matches(terms: Sequence[Term], blocks: Sequence[Sequence[Row]]) -> list[dict[str, Any]]:
    """Return the segments of a run that hold the most of the terms, the first of equals, in time order. Pure.

    Args:
        terms: of the query.
        blocks: of the run, each its segments with `index`, `start_s`, `text`.
    """
    many: Counter[int] = Counter()
    segments: dict[int, Row] = {}
    for block in blocks:
        joined = JoinedText([segment["text"] for segment in block])
        holding = Counter(place for term in terms for place in set(joined.holding(term)))
        for place, count in holding.items():
            segment = block[place]
            segments[segment["index"]] = segment
            # The first segment of the next block stands in both.
            many[segment["index"]] = max(many[segment["index"]], count)
    best = sorted(many, key=lambda index: (-many[index], index))[:MATCHES]
    return [
        {"index": index, "start": segments[index]["start_s"], "text": segments[index]["text"]}
        for index in sorted(best)
    ]
