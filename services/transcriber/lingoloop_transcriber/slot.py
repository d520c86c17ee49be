"""A slot's own process: loads its engine once, then plans recordings and transcribes chunks, one at a time."""

import base64
import time
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from lingoloop_common.child import Answer, Message, serve_child
from lingoloop_common.contracts.engines import Abilities, Ability, Wishes
from lingoloop_common.contracts.transcript import SEGMENTS, SPLITS, merge_channels, place_segments
from lingoloop_common.contracts.units import SAMPLE_RATE
from lingoloop_common.media import NotAudio, Unfit, duration_ms, open_audio
from lingoloop_transcriber.clusters import read_windows, tell_apart
from lingoloop_transcriber.decode import Samples, decode, decode_range, joined
from lingoloop_transcriber.engines import (
    Engine,
    EngineError,
    Finder,
    Piece,
    Refused,
    ServerBusy,
    Sound,
    UnknownLanguage,
    find_engine,
    find_operations,
)
from lingoloop_transcriber.flac import write_flac
from lingoloop_transcriber.loudness import audible
from lingoloop_transcriber.parts import join_cuts, part_index
from lingoloop_transcriber.split import Cut, Splitter
from lingoloop_transcriber.voices import Voices, find_model
from lingoloop_transcriber.waveform import pairs_of, silent_pairs

BLIND_CUT = 20 * SAMPLE_RATE
"""Samples in a chunk of an engine that needs no sound."""

DECODING = frozenset({Ability.CHANNELS, Ability.TRACK})
"""What every engine can do that is given the sound as it is decoded here."""


class SlotProcess:
    """Answers the parent's requests: `load`, `look` (how long is it?), `plan`, `more` (go on with the plan that paused), `chunk`, `speakers`.

    For an engine that takes minutes or hours at a time: `parts` (the plan), `flac` (write one to files).
    """

    def __init__(self, config: dict[str, Any]) -> None:
        self._config = config
        self._engine: Engine
        self._plan: Iterator[Cut] = iter(())
        self._language: str | None = None
        """Of the recording that is planned, as soon as it is known."""
        self._voices: Voices | None = None

    @cached_property
    def _engine_class(self) -> type[Engine]:
        return find_engine(self._config["engine"])

    def handle(self, message: Message, answer: Answer) -> None:
        """Serve one request; an error that belongs to the work goes back as an answer."""
        fields = message.fields
        try:
            getattr(self, f"_do_{fields['do']}")(fields, answer)
        except Unfit as error:
            answer({"end": True, "error": "unfit_audio", "message": str(error)}, b"")
        except NotAudio as error:
            answer({"end": True, "error": "not_audio", "message": str(error)}, b"")
        except UnknownLanguage as error:
            answer({"end": True, "error": "unknown_language", "message": str(error)}, b"")
        except Refused as error:
            answer({"end": True, "error": "engine_refused", "message": str(error)}, b"")
        except ServerBusy as error:
            answer(
                {"end": True, "error": "engine_busy", "message": str(error), "seconds": error.seconds}, b""
            )
        except OSError as error:  # what was there a moment ago is not, or the disk fails
            answer({"end": True, "error": "storage_failed", "message": error.strerror or str(error)}, b"")
        except (EngineError, MemoryError, RuntimeError, ValueError) as error:
            answer(
                {"end": True, "error": "engine_failed", "message": str(error) or type(error).__name__}, b""
            )

    def _do_load(self, fields: dict[str, Any], answer: Answer) -> None:
        try:
            abilities = self._load()
        except OSError as error:  # whoever starts a worker may know which file
            raise EngineError(str(error)) from error
        answer({"end": True, "abilities": abilities.model_dump(mode="json")}, b"")

    def _load(self) -> Abilities:
        self._engine = self._engine_class(self._config["model"])
        abilities = self._engine.abilities
        if self._engine_class.needs_audio:  # what it is given, is decoded here
            abilities = abilities.model_copy(update={"can": abilities.can | DECODING})
        if self._hears_voices and (model := find_model()):
            self._voices = Voices(model)
            abilities = abilities.model_copy(update={"can": abilities.can | {Ability.DIARIZE}})
        return abilities

    def _do_look(self, fields: dict[str, Any], answer: Answer) -> None:
        wishes = Wishes.model_validate(fields["options"])
        container, stream = open_audio(Path(fields["path"]), track=wishes.track, separate=wishes.separate)
        with container:
            answer({"end": True, "duration_ms": duration_ms(container, stream)}, b"")

    def _do_plan(self, fields: dict[str, Any], answer: Answer) -> None:
        self._language = fields["language"]
        if self._engine_class.needs_audio:
            wishes = Wishes.model_validate(fields["options"])
            self._plan = _cuts(Path(fields["path"]), fields["start"], wishes)
        else:
            self._plan = _blind_cuts(fields["duration_ms"], fields["start"])
        self._do_more(fields, answer)

    def _do_more(self, fields: dict[str, Any], answer: Answer) -> None:
        for _ in range(fields["chunks"]):
            cut = next(self._plan, None)
            if cut is None:
                answer({"end": True, "complete": True, "speakers": self._engine_class.needs_audio}, b"")
                return
            silent = cut.samples is None and self._engine_class.needs_audio
            raw = b""
            if cut.samples is not None:
                heard = _picked(cut.samples, cut.channels)
                raw = heard.tobytes()
                # Once for all chunks: each alone would guess, and differently.
                for channel in np.atleast_2d(heard):
                    self._language = self._language or self._engine.detect_language(_sound(channel))
            found = {
                "start": cut.start,
                "stop": cut.end,
                "silent": silent,
                "channels": cut.channels,
                "language": self._language,
            }
            if self._engine_class.needs_audio:
                pairs = silent_pairs(cut.end - cut.start) if cut.samples is None else pairs_of(cut.samples)
                found["pairs"] = base64.b64encode(pairs).decode()
            answer(found, raw)
        answer({"end": True, "complete": False}, b"")

    def _do_parts(self, fields: dict[str, Any], answer: Answer) -> None:
        wishes = Wishes.model_validate(fields["options"])
        cuts = _cuts(Path(fields["path"]), fields["start"], wishes)
        for part in join_cuts(cuts, fields["longest"], keep=fields["keep"]):
            found = {
                "index": part_index(part.start),
                "start": part.start,
                "stop": part.end,
                "silent": part.silent,
                "channels": part.channels,
                "language": fields["language"],
                "pairs": base64.b64encode(part.pairs).decode(),
            }
            answer(found, b"" if part.samples is None else part.samples.tobytes())
        answer({"end": True, "complete": True}, b"")

    def _do_flac(self, fields: dict[str, Any], answer: Answer) -> None:
        files = [Path(file) for file in fields["to"]]
        write_flac(
            files,
            Path(fields["path"]),
            fields["start"],
            fields["stop"],
            track=Wishes.model_validate(fields["options"]).track,
            channels=fields["channels"],
        )
        answer({"end": True}, b"")

    def _do_chunk(self, fields: dict[str, Any], answer: Answer) -> None:
        wishes = Wishes.model_validate({"language": fields["language"], **fields["options"]})
        sounds = _heard(fields, wishes) if self._engine.needs_audio else [None]
        seconds = (fields["stop"] - fields["start"]) / SAMPLE_RATE
        apart = wishes.diarize and self._hears_voices
        windows = self._listen(sounds[0], fields["start"]) if apart else b""
        begin = time.perf_counter()
        said = [self._engine.transcribe(Piece(sound, seconds, wishes)) for sound in sounds]
        engine_ms = round((time.perf_counter() - begin) * 1000)
        placed = [
            place_segments(
                segments,
                chunk_index=fields["index"],
                start=fields["start"],
                end=fields["stop"],
                step=SPLITS if apart else 1,
            )
            for segments in said
        ]
        if fields["channels"] is not None:
            placed = [merge_channels(dict(zip(fields["channels"], placed, strict=True)), fields["index"])]
        found = SEGMENTS.dump_python(placed[0])
        language = self._engine.found if isinstance(self._engine, Finder) else None
        answer({"end": True, "segments": found, "engine_ms": engine_ms, "language": language}, windows)

    def _do_speakers(self, fields: dict[str, Any], answer: Answer) -> None:
        answer({"end": True, "turns": tell_apart(read_windows(base64.b64decode(fields["windows"])))}, b"")

    @property
    def _hears_voices(self) -> bool:
        """Whether it is for us to tell who speaks: the engine is given all sound in chunks, and does not do it itself."""
        engine = self._engine
        if Ability.DIARIZE in engine.abilities.can or find_operations(self._config["engine"]):
            return False
        return engine.needs_audio

    def _listen(self, sound: Sound | None, start: int) -> bytes:
        if self._voices is None:  # another worker of the lane has it
            raise EngineError(
                "who speaks is not told by this worker: install lingoloop-transcriber[speakers] on it"
            )
        assert sound is not None  # needs_audio
        return self._voices.listen(sound, start)


def _sound(samples: Samples) -> Sound:
    return audible(samples.astype(np.float32) / np.float32(32768))


def _heard(fields: dict[str, Any], wishes: Wishes) -> list[Sound]:
    """Return a chunk's sound: mixed, or that of each channel in which there is any."""
    path, channels = Path(fields["path"]), fields["channels"]
    if fields["whole"]:
        samples = np.fromfile(path, np.int16)
        heard = samples if channels is None else samples.reshape(len(channels), -1)
    else:
        separate = channels is not None
        samples = decode_range(path, fields["start"], fields["stop"], track=wishes.track, separate=separate)
        heard = _picked(samples, channels)
    return [_sound(channel) for channel in np.atleast_2d(heard)]


def _picked(samples: Samples, channels: Sequence[int] | None) -> Samples:
    """Return some of the channels that are apart; what is mixed, as it is."""
    if channels is None:
        return samples
    # A file may decode to less the second time.
    none = np.empty((max(channels) + 1, 0), np.int16)
    return joined([none, samples])[list(channels)]


def _cuts(path: Path, start: int, wishes: Wishes) -> Iterator[Cut]:
    splitter = Splitter(start)
    for block in decode(path, track=wishes.track, separate=wishes.separate):
        yield from splitter.push(block)
    yield from splitter.close()


def _blind_cuts(duration_ms: int | None, start: int) -> Iterator[Cut]:
    if duration_ms is None:
        raise EngineError(
            "this engine cuts recordings by their length, and this file does not say how long it is"
        )
    end = duration_ms * SAMPLE_RATE // 1000
    for at in range(start, end, BLIND_CUT):
        yield Cut(at, min(at + BLIND_CUT, end), None)


if __name__ == "__main__":
    serve_child(lambda config: SlotProcess(config).handle)
