"""Short recognition, and what is the same for both ways: what Google is asked for, and what its words and errors mean."""

import asyncio

import numpy as np
import pytest
from google.cloud.speech_v2.types import cloud_speech
from google.rpc import code_pb2, error_details_pb2

from lingoloop_common.contracts.engines import Abilities, Ability, Wishes
from lingoloop_common.contracts.transcript import Segment
from lingoloop_common.contracts.units import lane_name
from lingoloop_common.errors import Busy
from lingoloop_common.lifecycle import running
from lingoloop_transcriber.engines import (
    EngineError,
    Piece,
    Refused,
    ServerBusy,
    find_engine,
    find_operations,
)
from lingoloop_transcriber.engines.google.batch import Batch
from lingoloop_transcriber.engines.google.errors import error_of_status
from lingoloop_transcriber.engines.google.recognition import (
    abilities_of,
    language_codes,
    language_of,
    recognition_config,
)
from lingoloop_transcriber.engines.google.settings import google_settings
from lingoloop_transcriber.engines.google.short import Short
from lingoloop_transcriber.engines.google.words import language_in, segments_of
from lingoloop_transcriber.slots import Slots
from tests.google.answers import HELLO, result, results, word
from tests.google.fake import FakeGoogle, status

SOUND = np.linspace(-0.5, 0.5, 16_000, dtype=np.float32)


async def transcribe(wishes: Wishes, model: str | None = None) -> list[Segment]:
    return await asyncio.to_thread(lambda: Short(model).transcribe(Piece(SOUND, 1.0, wishes)))


def heard(*found: object) -> list[Segment]:
    return segments_of(cloud_speech.BatchRecognizeResults.pb(results(*found)).results)


async def test_a_piece_goes_up_as_samples_and_comes_back_as_words(google: FakeGoogle) -> None:
    google.short_words = cloud_speech.RecognizeResponse(results=HELLO.results)
    segments = await transcribe(Wishes(language="de", hotwords=["Marianne", "Elinor"]))
    assert [(s.text, s.start, s.end) for s in segments] == [("Hello there.", 0.4, 1.2), ("Bye.", 2.5, 3.0)]
    assert segments[0].confidence == pytest.approx(0.85)
    [request] = google.recognized
    assert request.recognizer == "projects/proj/locations/us/recognizers/_"
    assert np.array_equal(np.frombuffer(request.content, np.int16), (SOUND * 32768).astype(np.int16))
    config = request.config
    assert (config.model, list(config.language_codes)) == ("chirp_3", ["de-DE"])
    assert config.explicit_decoding_config.sample_rate_hertz == 16_000
    assert config.features.enable_word_time_offsets
    [phrases] = [one.inline_phrase_set for one in config.adaptation.phrase_sets]
    assert [phrase.value for phrase in phrases.phrases] == ["Marianne", "Elinor"]


async def test_it_runs_in_a_slot_like_any_engine(google: FakeGoogle) -> None:
    google.short_words = cloud_speech.RecognizeResponse(results=HELLO.results)
    slots = Slots(1, {"engine": "google", "model": "chirp_3"})
    chunk = {
        "do": "chunk",
        "index": 2,
        "start": 0,
        "stop": 16_000 * 4,
        "channels": None,
        "language": None,
        "options": {},
    }
    async with running([slots]), slots.borrow() as slot:
        assert slots.abilities.can == {Ability.HOTWORDS, Ability.DIARIZE, Ability.CHANNELS, Ability.TRACK}
        google.failing["Recognize"].append(status(code_pb2.RESOURCE_EXHAUSTED, "quota", retry_after=2.5))
        from tests.speech import DEBIAN

        path = str(next(DEBIAN.glob("*.wav")))
        with pytest.raises(Busy) as busy:
            await slot.ask({**chunk, "path": path, "whole": False})
        assert busy.value.seconds == 2.5
        answer = await slot.ask({**chunk, "path": path, "whole": False})
    assert [s["index"] for s in answer.fields["segments"]] == [2000, 2001]


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (code_pb2.RESOURCE_EXHAUSTED, ServerBusy),
        (code_pb2.PERMISSION_DENIED, Refused),
        (code_pb2.UNAUTHENTICATED, Refused),
        (code_pb2.INVALID_ARGUMENT, Refused),
        (code_pb2.FAILED_PRECONDITION, Refused),
        (code_pb2.OUT_OF_RANGE, Refused),
        (code_pb2.NOT_FOUND, Refused),
        (code_pb2.UNAVAILABLE, EngineError),
        (code_pb2.DEADLINE_EXCEEDED, EngineError),
        (code_pb2.INTERNAL, EngineError),
        (code_pb2.ABORTED, EngineError),
        (code_pb2.CANCELLED, EngineError),
        (code_pb2.UNKNOWN, EngineError),
    ],
)
async def test_each_error_means_what_it_means(google: FakeGoogle, code: int, kind: type) -> None:
    google.failing["Recognize"].append(status(code, "so it is"))
    with pytest.raises(EngineError, match=r"^Google: so it is$") as raised:
        await transcribe(Wishes())
    assert type(raised.value) is kind
    assert type(error_of_status(status(code, "so it is"))) is kind
    assert google.calls["Recognize"] == 1


async def test_it_is_asked_again_when_google_says(google: FakeGoogle) -> None:
    for said, kept in ((7.25, 7.25), (None, 30.0), (86_400, 3600.0)):
        google.failing["Recognize"].append(status(code_pb2.RESOURCE_EXHAUSTED, "quota", retry_after=said))
        with pytest.raises(ServerBusy) as busy:
            await transcribe(Wishes())
        assert busy.value.seconds == kept


async def test_other_details_are_no_retry_info(google: FakeGoogle) -> None:
    error = status(code_pb2.RESOURCE_EXHAUSTED, "quota")
    error.details.add().Pack(error_details_pb2.ErrorInfo(reason="RATE_LIMIT_EXCEEDED"))
    google.failing["Recognize"].append(error)
    with pytest.raises(ServerBusy) as busy:
        await transcribe(Wishes())
    assert busy.value.seconds == 30.0


def test_offsets_are_rounded_and_each_word_is_kept() -> None:
    raw = results(result("Hi, Bob", word("Hi", 0, 0.7), word("Bob", 0.7, 1.1), end=1.2))
    message = cloud_speech.BatchRecognizeResults.pb(raw)
    message.results[0].alternatives[0].words[0].start_offset.nanos = 399_999_976  # as Google sends 0.4
    [segment] = segments_of(message.results)
    assert segment.text == "Hi, Bob"
    assert segment.words is not None
    assert [(w.word, w.start, w.end) for w in segment.words] == [("Hi,", 0.4, 0.7), (" Bob", 0.7, 1.1)]


def test_chinese_has_no_spaces_inside() -> None:
    [segment] = heard(result("你好，世界。", word("你好", 0, 0.5), word("世界", 0.6, 1.0), end=1.0))
    assert segment.text == "你好，世界。"
    assert [w.word for w in segment.words or []] == ["你好，", "世界。"]


def test_a_word_that_the_transcript_writes_otherwise_is_kept() -> None:
    [segment] = heard(result("$5 please", word("five", 0, 0.4), word("please", 0.5, 0.9), end=1.0))
    assert segment.text == "five please"


def test_without_times_of_words_a_result_is_one_segment() -> None:
    found = heard(result("One.", end=2.5), result("", end=3.0), result("Two.", end=4.0))
    assert [(s.text, s.start, s.end) for s in found] == [("One.", 0.0, 2.5), ("Two.", 2.5, 4.0)]


def test_who_speaks_is_told_apart() -> None:
    said = [
        word("Well,", 0, 0.4, speaker="1"),
        word("yes.", 0.4, 0.8, speaker="1"),
        word("No!", 0.9, 1.2, speaker="2"),
        word("Oh.", 1.3, 1.5, speaker="1"),
    ]
    found = heard(result("Well, yes. No! Oh.", *said, end=2.0))
    assert [(s.speaker, s.text) for s in found] == [("1", "Well, yes."), ("2", "No!"), ("1", "Oh.")]


def test_who_speaks_is_asked_for() -> None:
    assert "diarization_config" in recognition_config("chirp_3", Wishes(diarize=True), (), raw=False).features
    assert "diarization_config" not in recognition_config("chirp_3", Wishes(), (), raw=False).features
    assert abilities_of("chirp_3") == Abilities(can=frozenset({Ability.HOTWORDS, Ability.DIARIZE}))
    assert abilities_of("long") == Abilities(can=frozenset({Ability.HOTWORDS}))


@pytest.mark.parametrize(
    ("language", "usual", "codes"),
    [
        ("en", (), ["en-US"]),
        ("en-GB", ("de",), ["en-GB"]),
        ("zh", (), ["cmn-Hans-CN"]),
        ("zh-Hant", (), ["cmn-Hant-TW"]),
        (None, ("de", "fr-CA"), ["de-DE", "fr-CA"]),
        (None, (), ["auto"]),
    ],
)
def test_languages_in_googles_codes(language: str | None, usual: tuple[str, ...], codes: list[str]) -> None:
    assert language_codes("chirp_3", language, usual) == codes


def test_a_model_that_needs_a_language_says_so() -> None:
    with pytest.raises(Refused, match="GOOGLE_SPEECH_LANGUAGES"):
        language_codes("long", None, ())


def test_settings_name_the_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "proj")
    assert google_settings().endpoint == "us-speech.googleapis.com"
    monkeypatch.setenv("GOOGLE_SPEECH_LOCATION", "global")
    monkeypatch.setenv("GOOGLE_SPEECH_RECOGNIZER", "calls")
    settings = google_settings()
    assert settings.endpoint == "speech.googleapis.com"
    assert settings.recognizer == "projects/proj/locations/global/recognizers/calls"
    assert not settings.is_plain
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "no spaces, please")
    with pytest.raises(EngineError, match="GOOGLE_CLOUD_PROJECT"):
        google_settings()


def test_it_is_found_by_its_name() -> None:
    assert find_engine("google").__qualname__ == Short.__qualname__
    found = find_operations("google")
    assert found is not None
    assert found.__qualname__ == Batch.__qualname__
    assert find_operations("simulated") is None
    assert lane_name("google", None) == "google.chirp_3"


@pytest.mark.parametrize(
    ("google", "ours"),
    [
        ("en-us", "en"),
        ("en-gb", "en-GB"),
        ("cmn-hans-cn", "zh"),
        ("cmn-Hant-TW", "zh-Hant"),
        ("yue-hant-hk", "yue"),
        ("es-419", "es"),
        ("auto", None),
        ("multi", None),
        ("", None),
    ],
)
def test_what_google_says_is_spoken_is_in_our_codes(google: str, ours: str | None) -> None:
    assert language_of(google) == ours


def test_the_language_is_that_of_the_first_words() -> None:
    silence, hello = result(" ", end=1.0), result("Hello.", end=2.0)
    silence.language_code, hello.language_code = "de-de", "fr-fr"
    assert language_in(cloud_speech.BatchRecognizeResults.pb(results(silence, hello)).results) == "fr"
    assert language_in([]) is None
