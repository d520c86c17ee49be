"""Voices: of a chunk's speech, what is compared later to tell its speakers apart."""

import hashlib
from collections.abc import Iterable, Iterator
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from lingoloop_common.contracts.units import SAMPLE_RATE
from lingoloop_transcriber.engines import EngineError, Sound
from lingoloop_transcriber.engines.speech import Span, hear

PACKAGE = "lingoloop_voices"
SHA256 = "326f13a4d02a3362d5444e0d9b917b81bfba2a2d65c78db3de50ddf5f3723371"

SIZE = 192
"""Numbers by which the model describes a voice."""

WINDOW = SAMPLE_RATE * 3 // 2
"""Samples that are listened to at a time: less tells too little of a voice, more mixes two."""

HOP = WINDOW // 2
"""Samples from one window to the next, at most."""

SHORTEST = SAMPLE_RATE * 2 // 5
"""Samples that the model needs; what is shorter is repeated."""

WINDOWS = np.dtype([("start", "<u4"), ("end", "<u4"), ("voice", "i1", (SIZE,))])
"""A window as it is stored: its samples in the recording, and its voice, of which only the direction counts."""

Features = NDArray[np.float32]


def find_model() -> Path | None:
    """Return the model's file, or None where its package is not installed.

    Raises:
        EngineError: the file is damaged.
    """
    spec = find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        return None
    path = Path(spec.submodule_search_locations[0]) / "voices.onnx"
    if hashlib.sha256(path.read_bytes()).hexdigest() != SHA256:
        raise EngineError("the model of voices is damaged: its SHA-256 is not the expected one; reinstall it")
    return path


class Voices:
    """Hears voices, with the model in a file, which is loaded when it is first needed. The same sound gives the same voices."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @cached_property
    def _model(self) -> onnxruntime.InferenceSession:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1  # the slots share the cores
        options.enable_cpu_mem_arena = False  # windows differ in length
        return onnxruntime.InferenceSession(str(self._path), options, providers=["CPUExecutionProvider"])

    def listen(self, sound: Sound, start: int) -> bytes:
        """Return the windows of a chunk that begins at sample `start`, as an array of WINDOWS; none where nobody speaks."""
        sound, speech = hear(sound)
        found = [(begin, end, self._voice(sound[begin:end])) for begin, end in windows(speech)]
        heard = np.array(found, WINDOWS)
        heard["start"] += start
        heard["end"] += start
        return heard.tobytes()

    def _voice(self, sound: Sound) -> NDArray[np.int8]:
        found = features(np.resize(sound, max(sound.size, SHORTEST)))
        [[voice]] = self._model.run(None, {"features": found[np.newaxis]})
        return np.asarray(np.round(voice / np.abs(voice).max() * 127), np.int8)


def windows(speech: Iterable[Span]) -> Iterator[tuple[int, int]]:
    """Yield windows, as samples [begin, end), that cover the speech evenly."""
    for span in speech:
        begin, end = int(span.start * SAMPLE_RATE), int(span.end * SAMPLE_RATE)
        hops = max(0, -(-(end - begin - WINDOW) // HOP))
        for number in range(hops + 1):
            at = begin + (end - begin - WINDOW) * number // hops if hops else begin
            yield at, min(end, at + WINDOW)


def features(sound: Sound) -> Features:
    """Return what the model hears, of shape (frames, 80): mel bands as Kaldi takes them, less their mean over time."""
    frames = np.lib.stride_tricks.sliding_window_view(sound * np.float32(32768), 400)[::160]
    frames = frames - frames.mean(axis=1, keepdims=True)
    frames = frames - 0.97 * np.concatenate([frames[:, :1], frames[:, :-1]], axis=1)
    power = np.abs(np.fft.rfft(frames * _TAPER, 512)[:, :256]) ** 2
    bands = np.log(np.maximum(power @ _BANDS, 1.2e-7))
    return np.asarray(bands - bands.mean(axis=0), np.float32)


def _mel(hertz: NDArray[np.float64] | float) -> NDArray[np.float64]:
    return np.asarray(1127 * np.log1p(np.asarray(hertz) / 700))


def _mel_bands() -> NDArray[np.float64]:
    """Return 80 overlapping triangles from 20 Hz to half the rate, of shape (256, 80)."""
    edges = np.linspace(_mel(20.0), _mel(SAMPLE_RATE / 2), 82)
    at = _mel(np.arange(256) * SAMPLE_RATE / 512)[:, np.newaxis]
    width = edges[1] - edges[0]
    return np.asarray(np.maximum(0, np.minimum(at - edges[:-2], edges[2:] - at) / width))


_BANDS = _mel_bands()
_TAPER = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 399)) ** 0.85
