"""Whisper on CTranslate2: sound of up to 30 s becomes timed words, in an encoder window just longer than the sound.

Whisper was trained on windows of 30 s, and the usual pipelines pad every piece to that. The encoder's cost grows faster
than its window, and CTranslate2 takes shorter ones; so a window here is the sound and a little silence, without which
the decoder does not find the end and runs on (Radford et al., "Robust Speech Recognition via Large-Scale Weak
Supervision", section 2; figures in docs/performance.md).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import ctranslate2
import numpy as np
import orjson
from faster_whisper.feature_extractor import FeatureExtractor
from faster_whisper.tokenizer import _LANGUAGE_CODES, Tokenizer
from faster_whisper.transcribe import merge_punctuations
from tokenizers import Tokenizer as TokenizerFile

from lingoloop_common.contracts.engines import spoken
from lingoloop_common.contracts.transcript import Word
from lingoloop_transcriber.engines import Sound, UnknownLanguage
from lingoloop_transcriber.engines.hotwords import fitting, is_better
from lingoloop_transcriber.engines.word_times import tightened, without_echoes, without_run_on

FRAMES_PER_SECOND = 100
STEPS_PER_SECOND = 50
"""Steps of the encoder's output, in which alignments count."""

FULL_WINDOW = 30 * FRAMES_PER_SECOND
SILENCE = 2 * FRAMES_PER_SECOND
"""Frames of silence after the sound."""

TOKENS_PER_SECOND = 8
TOKENS_MOST = 224
"""A decoder that goes beyond these repeats itself: nobody speaks that fast."""

HOTWORD_TOKENS_MOST = 448 - TOKENS_MOST - 8
"""The decoder has 448 places; eight are left for what marks the parts of its text."""

BEAM = 3
"""Texts that are followed at the same time; the likeliest is kept."""

LOOP_TOKENS_MOST = 12
LOOP_REPEATS = 4
"""A loop is a phrase of up to so many tokens that is said so often in a row: greedy decoders get caught in them."""

CONFIGURED = {"suppress_ids", "suppress_ids_begin", "lang_ids", "alignment_heads"}
"""What CTranslate2 reads of `config.json` without a look whether it is there: what it then finds may end the process."""

PREPENDED, APPENDED = "\"'“¿([{-", "\"'.。,，!！?？:：”)]}、"
"""Punctuation that belongs to the word after it, and to the one before it."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """What the decoder is told before it listens.

    `language` is a code like `en` or `zh-CN`, of which only the language counts; `translate`: it writes English; of
    `hotwords` it is told as many as fit.
    """

    language: str
    translate: bool = False
    hotwords: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Heard:
    """What came out of one window: words in seconds from its start, and how sure the model was.

    `loops`: the decoder was caught repeating itself; the words end before the first repeat.
    """

    words: list[Word]
    log_probability: float
    loops: bool

    @property
    def text(self) -> str:
        """The words as they are written."""
        return "".join(word.word for word in self.words)


class Decoder:
    """A loaded model; used by one thread at a time.

    Args:
        folder: a CTranslate2 Whisper model with its tokenizer.
        device: `cpu` or `cuda`.
        compute_type: CTranslate2's name of the numbers that it reckons with.

    Raises:
        RuntimeError, ValueError, OSError: there is no such model in the folder, or no such device.
    """

    def __init__(self, folder: Path, *, device: str = "cpu", compute_type: str = "int8") -> None:
        if lacking := CONFIGURED.difference(orjson.loads((folder / "config.json").read_bytes())):
            raise ValueError(f"its config.json lacks {', '.join(sorted(lacking))}")
        self._model = ctranslate2.models.Whisper(
            str(folder), device=device, compute_type=compute_type, inter_threads=1, intra_threads=1
        )
        self._tokens = TokenizerFile.from_file(str(folder / "tokenizer.json"))
        if self._tokens.token_to_id("<|startoftranscript|>") is None:
            raise ValueError("its tokenizer.json is not Whisper's")
        self._features = FeatureExtractor(feature_size=self._model.n_mels)
        self._tokenizers: dict[tuple[str, bool], Tokenizer] = {}

    @property
    def multilingual(self) -> bool:
        """Whether the model knows more than English, and translates into it."""
        return bool(self._model.is_multilingual)

    @property
    def languages(self) -> tuple[str, ...]:
        """The codes of the languages that the model knows."""
        if not self.multilingual:
            return ("en",)
        return tuple(code for code in _LANGUAGE_CODES if self._tokens.token_to_id(f"<|{code}|>") is not None)

    def detect_language(self, sound: Sound) -> tuple[str, float]:
        """Return the code of the language that is spoken, and how sure that is, from 0 to 1."""
        if not self.multilingual:
            return "en", 1.0
        encoded, _ = self._encode(sound)
        token, probability = self._model.detect_language(encoded)[0][0]
        return token.strip("<|>"), probability

    def decode(self, sound: Sound, told: Prompt) -> Heard:
        """Return what is said in up to 30 s of sound, at temperature 0: the same sound gives the same words.

        Raises:
            UnknownLanguage: the model does not know the language.
        """
        encoded, frames = self._encode(sound)
        heard = self._decode(encoded, frames, replace(told, hotwords=()))
        if told.hotwords:
            hot = self._decode(encoded, frames, told)
            if not hot.loops and is_better(hot.text, heard.text, told.hotwords):
                return hot
        return heard

    def _decode(self, encoded: ctranslate2.StorageView, frames: int, told: Prompt) -> Heard:
        tokenizer = self._tokenizer(told)
        prompt = [*self._before(tokenizer, told), *tokenizer.sot_sequence, tokenizer.no_timestamps]
        limit = min(TOKENS_MOST, 10 + frames * TOKENS_PER_SECOND // FRAMES_PER_SECOND)
        result = self._model.generate(
            encoded,
            [prompt],
            beam_size=BEAM,
            max_length=len(prompt) + limit,
            return_scores=True,
            suppress_blank=True,
            suppress_tokens=[-1],
        )[0]
        tokens = result.sequences_ids[0]
        loop = find_loop(tokens)
        aligned = self._model.align(
            encoded, tokenizer.sot_sequence, [tokens[:loop]], [frames], median_filter_width=7
        )[0]
        return Heard(
            words=_timed_words(tokenizer, tokens[:loop], aligned, english=told.translate),
            log_probability=result.scores[0],
            loops=loop is not None or len(tokens) >= limit,
        )

    def _before(self, tokenizer: Tokenizer, told: Prompt) -> list[int]:
        """Return the tokens that stand before the text: hot words, as if they were its beginning."""

        def encode(text: str) -> list[int]:
            # All from the end's token on are marks for the decoder, like `<|translate|>`: what is asked of it is not said so.
            return [token for token in tokenizer.encode(text) if token < tokenizer.eot]

        hot = fitting(told.hotwords, encode, HOTWORD_TOKENS_MOST)
        return [tokenizer.sot_prev, *hot] if hot else []

    def _tokenizer(self, told: Prompt) -> Tokenizer:
        code = spoken(told.language)
        if (code, told.translate) not in self._tokenizers:
            if code not in self.languages:
                raise UnknownLanguage(f"this Whisper model does not know the language {code!r}")
            task = "translate" if told.translate else "transcribe"
            self._tokenizers[code, told.translate] = Tokenizer(
                self._tokens, self.multilingual, task=task, language=code
            )
        return self._tokenizers[code, told.translate]

    def _encode(self, sound: Sound) -> tuple[ctranslate2.StorageView, int]:
        """Return the encoder's output, shape (1, steps, width), and how many frames are sound."""
        features = self._features(sound)[:, :FULL_WINDOW]
        frames = features.shape[1]
        size = min(FULL_WINDOW, frames + SILENCE)
        size += size % 2  # the encoder halves it
        window = np.full((1, features.shape[0], size), features.min(), np.float32)
        window[0, :, :frames] = features
        return self._model.encode(ctranslate2.StorageView.from_array(window)), frames


def find_loop(tokens: Sequence[int]) -> int | None:
    """Return where the first repeat of a phrase begins that is said LOOP_REPEATS times in a row; None without one."""
    for start in range(len(tokens)):
        for size in range(1, LOOP_TOKENS_MOST + 1):
            phrase = tokens[start : start + size]
            end = start + size * LOOP_REPEATS
            if end <= len(tokens) and tokens[start:end] == [*phrase] * LOOP_REPEATS:
                return start + size
    return None


def _timed_words(tokenizer: Tokenizer, tokens: list[int], alignment: Any, *, english: bool) -> list[Word]:
    """Join tokens to words, with the times at which the decoder's attention reached them.

    `english`: what is written is, whatever language the tokenizer is for.
    """
    if not tokens:
        return []
    split = tokenizer.split_tokens_on_spaces if english else tokenizer.split_to_word_tokens
    texts, pieces = split([*tokens, tokenizer.eot])
    text_steps, time_steps = np.array(alignment.alignments).T
    reached = np.concatenate(([True], np.diff(text_steps) > 0))
    times = time_steps[reached] / STEPS_PER_SECOND
    edges = np.cumsum([0, *(len(piece) for piece in pieces[:-1])])
    words = [
        {
            "word": text,
            "tokens": piece,
            "start": float(times[first]),
            "end": float(times[last]),
            "probability": float(np.mean(alignment.text_token_probs[first:last])),
        }
        for text, piece, first, last in zip(texts, pieces, edges[:-1], edges[1:], strict=False)
    ]
    merge_punctuations(words, PREPENDED, APPENDED)
    timed = [
        Word(word=word["word"], start=word["start"], end=word["end"], confidence=word["probability"])
        for word in words
        if word["word"]
    ]
    # A translation's words have no times of their own: it says things in another order.
    return timed if english else tightened(without_echoes(without_run_on(timed)))
