"""A slot is a process of its own: its death costs its call and nothing else, and it comes back."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lingoloop_common.contracts.engines import Abilities
from lingoloop_common.errors import WorkError
from lingoloop_common.lifecycle import running
from lingoloop_transcriber.engines import EngineError, find_engine
from lingoloop_transcriber.slots import Slot, Slots
from tests.speech import write_wav
from tests.waiting import eventually

SIMULATED = {"engine": "simulated", "model": None}


def chunk(seconds: float) -> dict[str, Any]:
    return {
        "do": "chunk",
        "index": 0,
        "start": 0,
        "stop": int(seconds * 16_000),
        "language": None,
        "channels": None,
        "options": {},
    }


@pytest.fixture
async def slots(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Slots]:
    monkeypatch.setenv("SIMULATED_MS_PER_SECOND", "1000")
    slots = Slots(2, SIMULATED)
    async with running([slots]):
        yield slots


async def kill(slot: Slot) -> None:
    assert slot.pid is not None
    os.kill(slot.pid, signal.SIGKILL)


async def test_a_killed_slot_loses_its_own_call_only(slots: Slots) -> None:
    async with slots.borrow() as one, slots.borrow() as two:
        dying = asyncio.create_task(one.ask(chunk(60)))
        living = asyncio.create_task(two.ask(chunk(0.3)))
        await kill(one)
        with pytest.raises(WorkError, match="killed by signal 9") as died:
            await dying
        assert died.value.code == "slot_died"
        assert not died.value.is_permanent
        assert len((await living).fields["segments"]) == 1


async def test_a_killed_slot_comes_back_for_the_next_call(slots: Slots) -> None:
    async with slots.borrow() as slot, slots.borrow():
        before, number = slot.pid, slot.number
        dying = asyncio.create_task(slot.ask(chunk(60)))
        await kill(slot)
        with pytest.raises(WorkError):
            await dying
    async with slots.borrow() as one, slots.borrow() as two:
        again = one if one.number == number else two
        assert again.pid is not None
        assert again.pid != before
        assert (await again.ask(chunk(0.01))).fields["end"]


async def test_a_caller_that_gives_up_ends_the_process(slots: Slots) -> None:
    async with slots.borrow() as slot:
        pid = slot.pid
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(slot.ask(chunk(60)), 0.2)
        await eventually(lambda: not Path(f"/proc/{pid}").exists(), seconds=5)
        assert slot.pid is None


async def test_a_slot_goes_on_after_a_recording_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no recording")
    slots = Slots(1, SIMULATED)
    async with running([slots]), slots.borrow() as slot:
        pid = slot.pid
        plan = {
            "do": "plan",
            "path": str(tmp_path / "text"),
            "start": 0,
            "duration_ms": None,
            "language": "en",
            "options": {},
            "chunks": 5,
        }
        with pytest.raises(WorkError, match="does not say how long it is") as refused:
            await slot.ask(plan)
        assert refused.value.code == "engine_failed"
        assert slot.pid == pid
        assert (await slot.ask(chunk(0.01))).fields["end"]


async def test_a_plan_pauses_and_goes_on_where_it_was(slots: Slots) -> None:
    async with slots.borrow() as slot:
        plan = {
            "do": "plan",
            "path": "",
            "start": 0,
            "duration_ms": 50_000,
            "language": None,
            "options": {},
            "chunks": 2,
        }
        first = [message.fields async for message in slot.call(plan)]
        rest = [message.fields async for message in slot.call({"do": "more", "chunks": 2})]
    assert [(cut["start"], cut["stop"]) for cut in first[:-1]] == [(0, 320_000), (320_000, 640_000)]
    assert [(cut["start"], cut["stop"]) for cut in rest[:-1]] == [(640_000, 800_000)]
    assert (first[-1]["complete"], rest[-1]["complete"]) == (False, True)


class Decoding(Slot):
    """A slot whose engine needs sound, but whose model is not loaded: it only plans."""

    async def start(self) -> Abilities:
        await self._child.start()
        return Abilities()


async def test_text_that_claims_to_be_a_recording_is_named_for_what_it_is(tmp_path: Path) -> None:
    (tmp_path / "talk.mp3").write_text("no recording")
    slot = Decoding(0, {"engine": "whisper", "model": None})
    await slot.start()
    plan = {
        "do": "plan",
        "path": str(tmp_path / "talk.mp3"),
        "start": 0,
        "duration_ms": None,
        "language": "en",
        "options": {},
        "chunks": 5,
    }
    with pytest.raises(WorkError) as refused:
        await slot.ask(plan)
    await slot.kill()
    assert refused.value.code == "not_audio"
    assert refused.value.is_permanent


async def test_a_cut_travels_with_its_samples(tmp_path: Path) -> None:
    samples = np.random.default_rng(1).integers(-9000, 9000, 30 * 16_000).astype(np.int16)
    path = write_wav(tmp_path / "noise.wav", samples)
    slot = Decoding(0, {"engine": "whisper", "model": None})
    await slot.start()
    plan = {
        "do": "plan",
        "path": str(path),
        "start": 0,
        "duration_ms": None,
        "language": "en",
        "options": {},
        "chunks": 64,
    }
    answers = [message async for message in slot.call(plan)]
    await slot.kill()
    assert b"".join(answer.raw for answer in answers) == samples.tobytes()


async def test_an_engine_that_is_not_installed_is_named_with_those_that_are() -> None:
    with pytest.raises(EngineError, match=r"no engine 'sphinx'; installed are: .*simulated, whisper"):
        find_engine("sphinx")


async def test_an_engine_that_cannot_be_loaded_keeps_the_slots_from_starting(tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(b"no model")
    slots = Slots(1, {"engine": "whisper", "model": str(tmp_path)})
    with pytest.raises(EngineError, match="not a whole CTranslate2 model"):
        await slots.start()
    assert slots.pids == []


async def test_slots_stop_also_in_the_middle_of_a_call(slots: Slots) -> None:
    async with slots.borrow() as slot:
        working = asyncio.create_task(slot.ask(chunk(60)))
        await asyncio.sleep(0)
        pids = slots.pids
        await slots.stop()
        with pytest.raises(WorkError):
            await working
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)


async def test_a_file_that_a_slot_cannot_read_when_it_starts_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lingoloop_voices").mkdir()
    (tmp_path / "lingoloop_voices" / "__init__.py").touch()
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1/v1")
    with pytest.raises(EngineError, match=r"No such file .*voices\.onnx"):
        await Slot(0, {"engine": "openai", "model": None}).start()
