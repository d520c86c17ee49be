"""The engine that asks a server: what it sends, what it takes for an answer, and what it makes of refusals."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lingoloop_common.contracts.engines import Ability, Wishes
from lingoloop_common.contracts.transcript import Segment
from lingoloop_common.errors import Busy, WorkError
from lingoloop_common.lifecycle import running
from lingoloop_transcriber.engines import (
    EngineError,
    Piece,
    Refused,
    ServerBusy,
    Sound,
    UnknownLanguage,
    openai_server,
)
from lingoloop_transcriber.engines.openai import OpenAI
from lingoloop_transcriber.engines.retry_after import UNSAID
from lingoloop_transcriber.slots import Slots
from tests.openai_server import HELLO, FakeServer, Scripted, speaking
from tests.servers import free_port
from tests.speech import RATE, librivox_clips
from tests.waiting import eventually

KEY = "sk-a-key-that-nobody-may-see"


@pytest.fixture
async def server(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FakeServer]:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    async with speaking(FakeServer(HELLO)) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        yield server


@pytest.fixture(scope="module")
def speech() -> Sound:
    """Six seconds of speech after three of silence."""
    clip = librivox_clips()[0].samples[: 6 * RATE].astype(np.float32) / np.float32(32768)
    return np.concatenate([np.zeros(3 * RATE, np.float32), clip])


async def hear(sound: Sound, model: str = "whisper-1", **wishes: Any) -> list[Segment]:
    engine = OpenAI(model)
    piece = Piece(sound, sound.size / RATE, Wishes.model_validate(wishes))
    return await asyncio.to_thread(engine.transcribe, piece)


def error(status: int, message: str = "no", headers: dict[str, str] | None = None, **more: str) -> Scripted:
    return Scripted({"error": {"message": message, **more}}, status=status, headers=headers or {})


async def test_speech_goes_as_flac_and_comes_back_as_timed_words(server: FakeServer, speech: Sound) -> None:
    [segment] = await hear(speech, language="en-GB", hotwords=["Dashwood", "Norland"])
    [asked] = server.asked
    assert (asked.path, asked.authorization) == ("/v1/audio/transcriptions", f"Bearer {KEY}")
    assert asked.filename.endswith(".flac")
    assert asked.fields == {
        "model": ["whisper-1"],
        "response_format": ["verbose_json"],
        "language": ["en"],
        "prompt": ["Dashwood, Norland"],
        "timestamp_granularities[]": ["word", "segment"],
    }
    assert RATE < asked.samples.size < speech.size - 2 * RATE, "the silence was not sent"
    where = np.flatnonzero(speech * 32768 == asked.samples[5000])
    assert any(
        np.array_equal(asked.samples, speech[at - 5000 :][: asked.samples.size] * 32768) for at in where
    )
    assert 2.9 <= segment.start <= 4.5
    assert segment.text == "Hello."


@pytest.mark.parametrize("seconds", [0, 0.05, 20.0])
async def test_what_nobody_says_is_not_paid_for(server: FakeServer, seconds: float) -> None:
    silence = np.zeros(int(seconds * RATE), np.float32)
    noise = np.random.default_rng(1).normal(0, 0.02, int(seconds * RATE)).astype(np.float32)
    for sound in (silence, noise):
        assert await hear(sound) == []
        assert await asyncio.to_thread(OpenAI(None).detect_language, sound) is None
    assert server.asked == []


async def test_a_translation_has_an_address_of_its_own(server: FakeServer, speech: Sound) -> None:
    await hear(speech, task="translate", language="de")
    [asked] = server.asked
    assert asked.path == "/v1/audio/translations"
    assert asked.fields == {"model": ["whisper-1"], "response_format": ["verbose_json"]}


@pytest.mark.parametrize(
    ("language", "text"), [("zh", "国语，说话。"), ("zh-Hant", "國語，說話。"), ("ja", "國語, 說話。")]
)
async def test_chinese_is_in_the_script_that_was_asked_for(
    server: FakeServer, speech: Sound, language: str, text: str
) -> None:
    words = [{"word": word, "start": at, "end": at + 1} for at, word in enumerate(["國語", "說話"])]
    for answer in ({"text": "國語, 說話。"}, {"text": "國語, 說話。", "words": words}):
        server.answers = [Scripted(answer)]
        assert [segment.text for segment in await hear(speech, language=language)] == [text]
    assert server.asked[0].fields["language"] == [language[:2]]


async def test_a_model_that_tells_no_times_is_not_asked_for_any(server: FakeServer, speech: Sound) -> None:
    server.answers = [Scripted({"text": "Hello. Bye."})]
    [segment] = await hear(speech, "gpt-4o-transcribe", language="multi")
    [asked] = server.asked
    assert asked.fields == {"model": ["gpt-4o-transcribe"], "response_format": ["json"]}
    assert (segment.text, segment.words) == ("Hello. Bye.", None)
    assert 3 <= segment.start < segment.end <= 9


async def test_a_server_without_a_key_gets_none(
    server: FakeServer, speech: Sound, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    await hear(speech)
    assert server.asked[0].authorization is None


async def test_the_language_is_found_once_and_by_name(server: FakeServer, speech: Sound) -> None:
    assert await asyncio.to_thread(OpenAI(None).detect_language, speech) == "en"
    assert "language" not in server.asked[0].fields


async def test_a_server_that_tells_no_language_is_not_asked_again(server: FakeServer, speech: Sound) -> None:
    server.answers = [Scripted({"text": "Hello.", "language": "und"})]
    engine = OpenAI(None)
    for _ in range(2):
        assert await asyncio.to_thread(engine.detect_language, speech) is None
    assert len(server.asked) == 1


@pytest.mark.parametrize(("model", "language"), [("gpt-4o-transcribe", None), ("x/whisper-tiny.en", "en")])
async def test_some_need_not_be_asked(server: FakeServer, speech: Sound, model: str, language: str | None) -> None:  # fmt: skip
    assert await asyncio.to_thread(OpenAI(model).detect_language, speech) == language
    assert server.asked == []


@pytest.mark.parametrize(
    ("answer", "seconds"),
    [
        (error(429, headers={"Retry-After": "7"}), 7.0),
        (error(429, headers={"x-ratelimit-reset-requests": "1m30s"}), 90.0),
        (error(429), UNSAID),
        (error(503, headers={"Retry-After": "2"}), 2.0),
        (Scripted(b"<html>slow down</html>", status=429), UNSAID),
    ],
)
async def test_a_busy_server_says_when_to_come_again(
    server: FakeServer, speech: Sound, answer: Scripted, seconds: float
) -> None:
    server.answers = [answer]
    with pytest.raises(ServerBusy, match=f"answered {answer.status}") as busy:
        await hear(speech)
    assert busy.value.seconds == seconds
    assert len(server.asked) == 1, "it repeats nothing by itself"


@pytest.mark.parametrize(
    "answer",
    [
        error(401, f"Incorrect API key provided: {KEY}."),
        error(403, "You may not."),
        error(404, "The model `whisper-9` does not exist"),
        error(429, "You exceeded your current quota", code="insufficient_quota"),
        error(429, "You exceeded your current quota", type="insufficient_quota"),
        error(400, "response_format verbose_json is not compatible"),
        Scripted({"detail": "Not Found"}, status=404),
        Scripted({"detail": [{"loc": ["body"], "msg": "x"}]}, status=422),
        Scripted({"error": "go away"}, status=403),
        Scripted(b"", status=301, headers={"Location": "http://127.0.0.1:1/"}),
    ],
)
async def test_a_refusal_is_final_in_the_servers_words_without_the_key(
    server: FakeServer, speech: Sound, answer: Scripted
) -> None:
    server.answers = [answer]
    with pytest.raises(Refused, match=f"answered {answer.status}: .") as refused:
        await hear(speech)
    assert KEY not in str(refused.value)
    assert isinstance(answer.body, bytes) or str(refused.value).endswith(
        ("provided: ….", "not.", "exist", "quota", "compatible", "Found", "Entity", "Content", "away")
    )
    assert len(server.asked) == 1


async def test_a_long_refusal_is_one_short_line(server: FakeServer, speech: Sound) -> None:
    server.answers = [error(400, "no\n\x00" * 10_000)]
    with pytest.raises(Refused) as refused:
        await hear(speech)
    assert len(str(refused.value)) < 400
    assert str(refused.value).isprintable()


async def test_a_language_that_it_does_not_know_is_named_so(server: FakeServer, speech: Sound) -> None:
    server.answers = [error(400, "Language 'xx' is not supported.", param="language")]
    with pytest.raises(UnknownLanguage, match="'xx' is not supported"):
        await hear(speech, language="xx")


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (error(500, "oops"), "answered 500: oops"),
        (error(503, "later"), "answered 503: later"),
        (error(408), "answered 408"),
        (Scripted(b"<html>bad gateway</html>", status=502), "answered 502: Bad Gateway"),
        (Scripted(b'{"text": "Hel', breaks=True), "cannot be reached"),
        (Scripted(b"Hello"), "cannot be read"),
        (Scripted(b"x" * (openai_server.LARGEST + 1)), "more than"),
    ],
)
async def test_what_may_mend_itself_is_a_failure(
    server: FakeServer, speech: Sound, answer: Scripted, text: str
) -> None:
    server.answers = [answer]
    with pytest.raises(EngineError, match=text) as failed:
        await hear(speech)
    assert type(failed.value) is EngineError


async def test_nobody_there_is_a_failure(speech: Sound, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", f"http://127.0.0.1:{free_port()}/v1")
    with pytest.raises(EngineError, match="cannot be reached"):
        await hear(speech)


@pytest.mark.parametrize("answer", [Scripted({}, after=60), Scripted(b" " * 1200, drips=0.05)])
async def test_a_slow_answer_is_not_waited_for(
    server: FakeServer, speech: Sound, answer: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_TIMEOUT_MS", "1000")
    server.answers = [answer]
    loop = asyncio.get_running_loop()
    begin = loop.time()
    with pytest.raises(EngineError, match="longer than 1 s"):
        await hear(speech)
    assert loop.time() - begin < 20  # of the 60 that the answer takes


async def test_a_line_that_was_closed_in_between_is_opened_again(server: FakeServer, speech: Sound) -> None:
    server.answers = [Scripted({"text": "One."}, headers={"Connection": "close"}), Scripted({"text": "Two."})]
    engine = OpenAI(None)
    piece = Piece(speech, speech.size / RATE, Wishes(language="en"))
    for text in ("One.", "Two."):
        assert (await asyncio.to_thread(engine.transcribe, piece))[0].text == text
    await eventually(lambda: len(server.asked) == 2)


@pytest.mark.parametrize(
    ("model", "can", "languages"),
    [
        ("whisper-1", {"multi", "translate", "hotwords"}, None),
        ("Systran/faster-whisper-small", {"multi", "translate", "hotwords"}, None),
        ("whisper-large-v3-turbo", {"multi", "hotwords"}, None),
        ("x/whisper-tiny.en", {"hotwords"}, ("en",)),
        ("gpt-4o-transcribe", {"multi", "hotwords"}, None),
        ("gpt-4o-transcribe-diarize", {"multi"}, None),
    ],
)
def test_the_name_tells_what_a_model_can(model: str, can: set[str], languages: tuple[str, ...] | None) -> None:  # fmt: skip
    abilities = OpenAI(model).abilities
    assert abilities.languages == languages
    assert {str(ability) for ability in abilities.can} == can


def test_the_operator_may_know_better(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_ABILITIES", "translate, hotwords")
    assert OpenAI("parakeet").abilities.can == {Ability.TRANSLATE, Ability.HOTWORDS}
    monkeypatch.setenv("OPENAI_ABILITIES", "none")
    assert OpenAI("whisper-1").abilities.can == set()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OPENAI_BASE_URL", "api.openai.com"),
        ("OPENAI_BASE_URL", "https://me:secret@api.openai.com/v1"),
        ("OPENAI_API_KEY", "secret\nX: y"),
        ("OPENAI_API_KEY", "sécret"),
        ("OPENAI_TIMEOUT_MS", "soon"),
        ("OPENAI_RESPONSE_FORMAT", "srt"),
        ("OPENAI_ABILITIES", "diarize"),
    ],
)
def test_a_wrong_setting_is_named_and_not_shown(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(EngineError, match=name) as wrong:
        OpenAI(None)
    assert "secret" not in str(wrong.value)
    assert "sécret" not in str(wrong.value)


@pytest.mark.parametrize("model", ["/models/whisper-base", "a model", "whisper\n1", "wörter"])
def test_a_name_that_no_server_has_is_a_wrong_setting(model: str) -> None:
    with pytest.raises(EngineError, match="MODEL must be"):
        OpenAI(model)


@pytest.mark.parametrize(
    ("answer", "code", "permanent"),
    [
        (error(429, "slow down", headers={"Retry-After": "7"}), "engine_busy", True),
        (error(401, "no such key"), "engine_refused", True),
        (error(400, "no such language", param="language"), "unknown_language", True),
        (error(500, "oops"), "engine_failed", False),
    ],
)
async def test_a_slot_tells_the_worker_what_the_server_said(
    server: FakeServer, speech: Sound, tmp_path: Path, answer: Scripted, code: str, permanent: bool
) -> None:
    server.answers = [answer, HELLO]
    path = tmp_path / "chunk"
    path.write_bytes((speech * 32768).astype(np.int16).tobytes())
    given: dict[str, Any] = {
        "index": 0,
        "start": 0,
        "stop": speech.size,
        "channels": None,
        "language": "en",
        "options": {},
    }
    slots = Slots(1, {"engine": "openai", "model": None})
    async with running([slots]), slots.borrow() as slot:
        chunk = {"do": "chunk", "path": str(path), "whole": True, **given}
        with pytest.raises(WorkError) as failed:
            await slot.ask(chunk)
        assert (failed.value.code, failed.value.is_permanent) == (code, permanent)
        assert isinstance(failed.value, Busy) == (code == "engine_busy")
        assert getattr(failed.value, "seconds", 7.0) == 7.0
        [segment] = (await slot.ask(chunk)).fields["segments"]
    assert segment["text"] == "Hello."
