"""Real human speech: Debian's LibriVox clips (pocketsphinx-testdata), and ../shared/speech where it is there."""

import json
import wave
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import av
import jiwer
import numpy as np
import pytest
from numpy.typing import NDArray
from whisper_normalizer.english import EnglishTextNormalizer

RATE = 16_000
DEBIAN = Path("/usr/share/pocketsphinx/test/data/librivox")
SHARED = Path(__file__).resolve().parents[2] / "shared" / "speech"

LIBRIVOX = {
    "0870": "and mister john dashwood had then leisure to consider how much there might be prudently in his power "
    "to do for them",
    "0880": "he was not an ill disposed young man",
    "0890": "unless to be rather cold hearted and rather selfish is to be ill disposed",
}

Samples = NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class Clip:
    """A recording and its words."""

    name: str
    samples: Samples
    words: str

    @property
    def seconds(self) -> float:
        """How long it is."""
        return self.samples.size / RATE


def librivox_clips() -> list[Clip]:
    """Return Debian's clips, in the order of the book; skip the test where they are not installed."""
    if not DEBIAN.is_dir():
        pytest.skip("real speech is missing: install Debian's pocketsphinx-testdata")
    pattern = "sense_and_sensibility_01_austen_64kb-{}.wav"
    return [Clip(key, read_wav(DEBIAN / pattern.format(key)), words) for key, words in LIBRIVOX.items()]


def shared_clips(folder: Path = SHARED, language: str = "en") -> list[Clip]:
    """Return the clips of a speech folder in one language; skip the test where it is not there."""
    manifest = folder / "manifest.json"
    if not manifest.is_file():
        pytest.skip(f"more speech is left out: there is no {manifest.parent.name} folder beside the project")
    entries = json.loads(manifest.read_text())
    return [
        Clip(entry["file"], read_audio(folder / entry["file"]), entry["reference"])
        for entry in entries
        if entry["lang"] == language
    ]


def read_wav(path: Path) -> Samples:
    """Return a 16 kHz mono WAV's samples."""
    with wave.open(str(path)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (RATE, 1, 2)
        return np.frombuffer(file.readframes(file.getnframes()), np.int16)


def read_audio(path: Path) -> Samples:
    """Return any file's samples as 16 kHz mono, with a decoder of the tests' own."""
    resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
    with av.open(str(path)) as container:
        frames = [piece for frame in container.decode(audio=0) for piece in resampler.resample(frame)]
    frames += resampler.resample(None)
    return np.concatenate([frame.to_ndarray().reshape(-1) for frame in frames]).astype(np.int16)


def join(clips: Iterable[Clip], *, least_seconds: float, pause: float = 0.8) -> Clip:
    """Return one recording of at least `least_seconds`, the clips in turn with quiet noise in between."""
    clips = list(clips)
    noise = np.random.default_rng(7)
    pieces: list[Samples] = []
    words: list[str] = []
    size, turn = 0, 0
    while size < least_seconds * RATE:
        clip = clips[turn % len(clips)]
        gap = noise.normal(0, 12, int(pause * RATE)).astype(np.int16)
        pieces += [clip.samples, gap]
        words.append(clip.words)
        size += clip.samples.size + gap.size
        turn += 1
    return Clip("joined", np.concatenate(pieces), " ".join(words))


def mixed(clips: Sequence[Clip], minutes: float, seed: int) -> Clip:
    """Return at least `minutes` of the clips, all of them in one order after the other, with pauses of 0.3–2.5 s of quiet noise."""
    random = np.random.default_rng(seed)
    said: list[Clip] = []
    while sum(clip.samples.size for clip in said) < minutes * 60 * RATE:
        for place in random.permutation(len(clips)):
            said.append(_and_a_pause(clips[place], random))
            if sum(clip.samples.size for clip in said) >= minutes * 60 * RATE:
                break
    return _in_a_row(f"mix {seed}", said)


def once(clips: Sequence[Clip], seed: int) -> Clip:
    """Return each of the clips once, in an order of the seed's, with the same pauses: no recording says all of it again."""
    random = np.random.default_rng(seed)
    return _in_a_row(
        f"order {seed}", [_and_a_pause(clips[place], random) for place in random.permutation(len(clips))]
    )


def _and_a_pause(clip: Clip, random: np.random.Generator) -> Clip:
    pause = random.normal(0, 12, int(random.uniform(0.3, 2.5) * RATE)).astype(np.int16)
    return Clip(clip.name, np.concatenate([clip.samples, pause]), clip.words)


def _in_a_row(name: str, clips: Sequence[Clip]) -> Clip:
    samples = np.concatenate([clip.samples for clip in clips])
    return Clip(name, samples, " ".join(clip.words for clip in clips))


def write_wav(path: Path, samples: Samples) -> Path:
    """Write samples as a 16 kHz mono WAV."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(samples.tobytes())
    return path


def word_error_rate(reference: str, text: str) -> float:
    """Return the share of wrong, missing and extra words, from 0, after Whisper's English normaliser."""
    return float(jiwer.wer(_normaliser()(reference), _normaliser()(text)))


@cache
def _normaliser() -> EnglishTextNormalizer:
    return EnglishTextNormalizer()
