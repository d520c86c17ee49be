"""The driver: rounds of faults over a fleet at work; after each round it must come to rest, and all must hold."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any

from tests.chaos import checker
from tests.chaos.checker import Findings, Run
from tests.chaos.facts import owner_last, read_left, read_runs
from tests.chaos.faults import KINDS, possible
from tests.chaos.recordings import OWNERS
from tests.chaos.schedule import ROUND, Planned, hits_each, planned, schedule
from tests.chaos.stage import Stage, running_stage, say
from tests.chaos.subscribers import Subscribers
from tests.chaos.uploads import Uploads

REST = 60.0
"""Seconds after a round's last fault in which all must have come to rest."""
TOLD = 20.0
"""Seconds after that in which every subscriber must have been told."""
MORE_ROUNDS = 10
"""Rounds added at most for kinds that did not hit."""
EXECUTIONS = 1.2
"""Times that a chunk may be worked on, on average."""


@dataclass(slots=True)
class Report:
    """What came of it all."""

    seed: int
    runs: int = 0
    faults: int = 0
    hits: Counter[str] = field(default_factory=Counter)
    found: Findings = field(default_factory=Findings)
    executions: float = 0.0
    seconds: float = 0.0
    skipped: list[str] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """Whether all that must hold did."""
        return not self.found.lines() and self.executions <= EXECUTIONS

    def as_json(self) -> dict[str, Any]:
        """Return the output's last line."""
        return {
            "seed": self.seed,
            "runs": self.runs,
            "faults": self.faults,
            "hits": dict(sorted(self.hits.items())),
            **{kind: len(getattr(self.found, kind)) for kind in Findings.__slots__},
            "executions_per_chunk": round(self.executions, 3),
            "seconds": round(self.seconds),
        }


class Driver:
    """Leads one chaos on a stage."""

    def __init__(self, stage: Stage, report: Report) -> None:
        self._stage, self._report = stage, report
        urls = [place.url for kind in ("gateway", "notifier") for place in stage.places[kind]]
        self._subscribers = Subscribers(urls, stage.fleet.token)
        self._uploads = Uploads(stage, report.seed, self._subscribers.follow_run)
        self._tap = stage.tap
        self._runs: dict[str, Run] = {}
        self._unforeseen: set[str] = set()

    async def play(self, rounds: list[list[Planned]], runs: int) -> None:
        """Play all rounds, and then those kinds again that have not hit often enough; end at the first finding."""
        luck, limit = random.Random(self._report.seed + 2), len(rounds) + MORE_ROUNDS
        await self._tap.start(OWNERS)
        for owner in OWNERS:
            self._subscribers.follow_owner(owner)
        try:
            for number, faults in enumerate(rounds, 1):
                await self._round(f"{number}/{len(rounds)}", faults, runs * number // len(rounds))
                if self._report.found.lines():
                    return
                if number == len(rounds) < limit and (missing := self._missing(rounds, runs, luck)):
                    rounds.append(missing)
        finally:
            await self._subscribers.stop()
            await self._tap.stop()

    def _missing(self, rounds: list[list[Planned]], runs: int, luck: random.Random) -> list[Planned]:
        kinds = sorted({fault.kind for faults in rounds for fault in faults})
        short = [kind for kind in kinds if self._report.hits[kind] < hits_each(runs)]
        return [planned(luck, kind) for kind in short[:ROUND]]

    async def _round(self, name: str, faults: list[Planned], runs: int) -> None:
        self._uploads.begin(runs)
        strikes = []
        for fault in faults:
            strikes.append(asyncio.create_task(self._strike(fault)))
            await asyncio.sleep(fault.pause)
        await asyncio.gather(*strikes)
        end = time.monotonic() + REST
        await self._uploads.end()
        await self._come_to_rest(end)
        await self._check()
        report = self._report
        report.executions, report.runs = (
            checker.executions_per_chunk(self._runs.values()),
            len(self._uploads.acknowledged),
        )
        rest = REST - (end - time.monotonic())
        say(
            f"round {name}: {report.runs} runs, {report.faults} faults, {report.hits.total()} hits, "
            f"{fmean(self._stage.running or [0]):.1f} units running at each, {report.executions:.3f} executions a chunk, at rest after {rest:.0f} s"
            f"; refused: {dict(self._uploads.refused)}"
        )

    async def _strike(self, fault: Planned) -> None:
        hit = await KINDS[fault.kind](self._stage, fault)
        self._report.faults += 1
        self._report.hits[fault.kind] += hit
        say(f"  {fault.kind} ({fault.victim}, {fault.seconds} s){'' if hit else ': missed'}")

    async def _come_to_rest(self, end: float) -> None:
        """Wait until no work is left, nor anything on its way."""
        while time.monotonic() < end:
            if not any((await read_left(self._stage)).values()):
                return
            await asyncio.sleep(0.3)

    async def _check(self) -> None:
        """Check all that came to be in this round."""
        stage, found = self._stage, self._report.found
        checker.check_left(await read_left(stage), found)
        runs = await stage.ask(lambda pool: read_runs(pool, list(self._runs)))
        self._runs |= runs
        checker.check_acknowledged(self._uploads.acknowledged, self._runs, found)
        for run in runs.values():
            checker.check_run(run, found)
        await self._check_told(runs)
        for log in stage.folder.glob("transcriber-*.log"):
            checker.check_logs(log.read_text().splitlines(), found)
        for log in stage.folder.glob("gateway-*.log"):
            for fault in checker.unforeseen(log.read_text().splitlines()):
                if fault not in self._unforeseen:
                    self._unforeseen.add(fault)
                    say(f"UNFORESEEN {fault}")
        for line in found.lines():
            say(f"FOUND {line}")

    async def _check_told(self, runs: dict[str, Run]) -> None:
        """Check what was published, and what subscribers were told of it."""
        stage, found, owners = self._stage, self._report.found, self._subscribers.owners
        lasts = {owner: await stage.ask(lambda pool, o=owner: owner_last(pool, o)) for owner in OWNERS}  # type: ignore[misc]
        streams = {run_id: stream for run_id, stream in self._subscribers.runs.items() if run_id in runs}

        def unpublished() -> list[str]:
            return checker.unpublished(runs.values(), self._tap.seen, self._tap.away())

        def all_told() -> bool:
            owners_told = all(owners[owner].last_id == last for owner, last in lasts.items())
            return owners_told and all(stream.ended for stream in streams.values()) and not unpublished()

        await _until(all_told)
        found.lost += unpublished()
        for run_id, stream in streams.items():
            checker.check_stream(stream, runs[run_id].seq, found)
        for owner, last in lasts.items():
            checker.check_stream(owners[owner], last, found)


async def _until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + TOLD
    while time.monotonic() < end:
        if condition():
            return
        await asyncio.sleep(0.1)


async def chaos(seed: int, runs: int, folder: Path, *, size: int = ROUND) -> Report:
    """Play a chaos of at least so many runs; the services' logs are left in `folder`."""
    report, begin = Report(seed), time.monotonic()
    async with running_stage(folder) as stage:
        kinds = possible(stage)
        report.skipped = [kind for kind in KINDS if kind not in kinds]
        for kind in report.skipped:
            say(f"skipped: {kind}, no file system can be mounted here")
        await Driver(stage, report).play(schedule(seed, runs, kinds, size=size), runs)
    report.seconds = time.monotonic() - begin
    return report
