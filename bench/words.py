"""How good the words are, through the whole system, against faster-whisper's best direct setting on the same file.

Error rates with base and tiny.en on several recordings in which each clip is said once: several, since one block that is
dropped or invented decides one of them, and once, since who hears a paragraph for the eighth time knows it. Beside them a
longer recording, which says all again and again: error rates, words at cuts, times of words; and sounds without speech,
Chinese, and a recording in two languages.

`ratio` is (the best direct setting's error rate + 0.3 points) ÷ ours, the worst of four: with each model, over all words of
the short recordings, as error rates of a corpus are taken, and in the long one. The best is chosen anew for each
recording, which nobody can who does not know its words; `best_setting` is the one that is best over all of them, with its
mean. `median_ratio` is that over the single short recordings, in each of which one word is as much as the 0.3 points.
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
from tests.speech import Clip, librivox_clips, mixed, once, shared_clips, word_error_rate, write_wav

ORDERS = (1, 2, 3, 4, 5, 6, 7)
MIX = 1
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
DIRECT_LONG = DIRECT[:2]
"""The settings that the long recording is tried with: all four would take a quarter of an hour more."""


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
    orders = [await _order(fleet, hand, folder, once(clips, seed), model) for seed in ORDERS]
    means = {way: statistics.mean(order["wer_direct"][way] for order in orders) for way in DIRECT}
    best = min(means, key=lambda way: means[way])
    # All have the same words, so the mean of their rates is the rate of all.
    wer = statistics.mean(order["wer"] for order in orders)
    wer_direct = statistics.mean(min(order["wer_direct"].values()) for order in orders)
    pooled = _ratio(wer_direct, wer)
    long = await _long(fleet, hand, folder, mixed(clips, MINUTES, MIX), model)
    return {
        "ratio": min(pooled, long["ratio"]),
        "pooled_ratio": pooled,
        "median_ratio": round(statistics.median(order["ratio"] for order in orders), 3),
        "wer": round(wer, 2),
        "wer_direct": round(wer_direct, 2),
        "best_setting": {"way": best, "wer": round(means[best], 2)},
        "orders": orders,
        "long": long,
    }


async def _order(fleet: Fleet, hand: ByHand, folder: Path, clip: Clip, model: str) -> dict[str, Any]:
    ours, direct = await _both(fleet, hand, folder, clip, model, DIRECT)
    wer, wer_direct = _wer(clip, ours), {way: _wer(clip, found) for way, found in direct.items()}
    figures = {"wer": wer, "wer_direct": wer_direct, "ratio": _ratio(min(wer_direct.values()), wer)}
    print(model, clip.name, figures, flush=True)
    return figures


async def _long(fleet: Fleet, hand: ByHand, folder: Path, clip: Clip, model: str) -> dict[str, Any]:
    ours, direct = await _both(fleet, hand, folder, clip, model, DIRECT_LONG)
    errors = {way: _wer(clip, found) for way, found in direct.items()}
    best = direct[min(errors, key=lambda way: errors[way])]
    wer = _wer(clip, ours)
    figures = {
        "wer": wer,
        "wer_direct": errors,
        "ratio": _ratio(min(errors.values()), wer),
        "seams": at_seams(clip, cuts_of(clip.samples), ours.words, best.words),
        "times": times(clip, ours.words, best.words),
    }
    print(model, clip.name, figures, flush=True)
    return figures


async def _both(
    fleet: Fleet, hand: ByHand, folder: Path, clip: Clip, model: str, ways: Sequence[str]
) -> tuple[Transcript, dict[str, Transcript]]:
    path = write_wav(folder / f"{clip.name} {model}.wav", clip.samples)
    ours = await transcribe(fleet, path, model=model, language="en")
    return ours, {way: hand.transcribe(path, way, model) for way in ways}


def _ratio(wer_direct: float, wer: float) -> float:
    return round((wer_direct + ALLOWED) / wer, 3)


def _wer(clip: Clip, found: Transcript) -> float:
    return round(100 * word_error_rate(clip.words, found.text), 2)


async def _chinese(fleet: Fleet, hand: ByHand, folder: Path, speech: Path) -> dict[str, Any]:
    """Measure character error rates in simplified characters, and transcribe a recording in two languages."""
    clip = mixed(shared_clips(speech, "zh"), CHINESE_MINUTES, MIX)
    path = write_wav(folder / "chinese.wav", clip.samples)
    ours = await transcribe(fleet, path, language="zh")
    both = mixed([*shared_clips(speech, "zh"), *shared_clips(speech)[:2]], CHINESE_MINUTES, MIX)
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
