"""How good the words are, through the whole system, against faster-whisper's best direct setting on the same file.

Several mixes, since one block that is dropped or invented decides one of them: error rates with base and tiny.en,
words at cuts, times of words; beside them sounds without speech, Chinese, and a recording in two languages. `ratio` is
(direct decoding's error rate + 0.3 points) ÷ ours, the median over the mixes, of the model that does worse.
"""

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jiwer
from opencc import OpenCC

from bench.by_hand import ByHand, by_hand
from bench.fleets import Transcript, bench_fleet, transcribe
from bench.noises import noises
from bench.word_figures import at_seams, times
from tests.fleet import Fleet
from tests.seams import cuts_of
from tests.speech import Clip, librivox_clips, mixed, shared_clips, word_error_rate, write_wav

SEEDS = (1, 2, 3)
MINUTES = 20
NOISE_MINUTES = 10
CHINESE_MINUTES = 2
ALLOWED = 0.3
"""Points of error rate above direct decoding's."""

DIRECT = (
    "direct",
    "direct, no conditioning",
    "direct, voice activity",
    "direct, voice activity, no conditioning",
)


async def measure(speech: Path) -> dict[str, Any]:
    """Return the figures of both models, and those of the rest."""
    there = (speech / "manifest.json").is_file()
    clips = shared_clips(speech) if there else librivox_clips()
    async with bench_fleet() as (fleet, folder):
        await fleet.start("transcriber", MODEL="tiny.en").ready()
        with by_hand() as hand:
            models = {model: await _model(fleet, hand, folder, clips, model) for model in ("base", "tiny.en")}
            chinese = await _chinese(fleet, hand, folder, speech) if there else None
        noise = {
            name: len((await transcribe(fleet, write_wav(folder / f"{name}.wav", sound))).words)
            for name, sound in noises(NOISE_MINUTES).items()
        }
    return {
        "ratio": min(figures["ratio"] for figures in models.values()),
        "unit": "(direct WER + 0.3) / our WER",
        **models,
        "words_in_noise": noise,
        "chinese": chinese,
    }


async def _model(
    fleet: Fleet, hand: ByHand, folder: Path, clips: Sequence[Clip], model: str
) -> dict[str, Any]:
    mixes = [await _mix(fleet, hand, folder, mixed(clips, MINUTES, seed), model) for seed in SEEDS]
    return {
        "ratio": round(statistics.median(mix["ratio"] for mix in mixes), 3),
        "wer": statistics.median(mix["wer"] for mix in mixes),
        "wer_direct": statistics.median(min(mix["wer_direct"].values()) for mix in mixes),
        "mixes": mixes,
    }


async def _mix(fleet: Fleet, hand: ByHand, folder: Path, clip: Clip, model: str) -> dict[str, Any]:
    path = write_wav(folder / f"{clip.name} {model}.wav", clip.samples)
    ours = await transcribe(fleet, path, model=model, language="en")
    direct = {way: hand.transcribe(path, way, model) for way in DIRECT}
    errors = {way: _wer(clip, found) for way, found in direct.items()}
    best = min(DIRECT, key=lambda way: errors[way])
    figures = {
        "wer": _wer(clip, ours),
        "wer_direct": errors,
        "ratio": round((errors[best] + ALLOWED) / _wer(clip, ours), 3),
        "seams": at_seams(clip, cuts_of(clip.samples), ours.words, direct[best].words),
        "times": times(clip, ours.words, direct[best].words),
    }
    print(model, clip.name, figures, flush=True)
    return figures


def _wer(clip: Clip, found: Transcript) -> float:
    return round(100 * word_error_rate(clip.words, found.text), 2)


async def _chinese(fleet: Fleet, hand: ByHand, folder: Path, speech: Path) -> dict[str, Any]:
    """Measure character error rates in simplified characters, and transcribe a recording in two languages."""
    clip = mixed(shared_clips(speech, "zh"), CHINESE_MINUTES, SEEDS[0])
    path = write_wav(folder / "chinese.wav", clip.samples)
    ours = await transcribe(fleet, path, language="zh")
    both = mixed([*shared_clips(speech, "zh"), *shared_clips(speech)[:2]], CHINESE_MINUTES, SEEDS[0])
    two = await transcribe(fleet, write_wav(folder / "both.wav", both.samples))
    return {
        "cer": _cer(clip, ours.text),
        "cer_direct": min(_cer(clip, hand.transcribe(path, way, language="zh").text) for way in DIRECT),
        "spaces_inside": sum(" " in word.word.strip() for word in ours.words),
        "text": ours.text[:80],
        "two_languages": two.text[:200],
    }


def _cer(clip: Clip, text: str) -> float:
    """Return the share of wrong characters in percent; neither punctuation nor the script counts."""
    simplified = "".join(letter for letter in OpenCC("t2s").convert(text) if letter.isalnum())
    reference = "".join(letter for letter in clip.words if letter.isalnum())
    return round(100 * jiwer.cer(reference, simplified), 2)
