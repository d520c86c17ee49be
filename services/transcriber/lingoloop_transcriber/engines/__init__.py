"""Engines turn a piece of sound into timed words. They are found by the entry point group `lingoloop.engines`."""

from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from lingoloop_common.contracts.engines import Abilities, Wishes
from lingoloop_common.contracts.transcript import Segment

Sound = NDArray[np.float32]
"""16 kHz mono samples in [-1, 1], shape (samples,)."""


class EngineError(RuntimeError):
    """The engine cannot be used, or failed on a piece; the text is for the operator and the recording's owner."""


class UnknownLanguage(EngineError):
    """The model does not know the language that was named."""


class Refused(EngineError):
    """A server that does the engine's work refuses it, and would refuse it again: no permission, no credit, no such model."""


class ServerBusy(EngineError):
    """A server that does the engine's work takes no more for now; `seconds`: when to ask again."""

    def __init__(self, message: str, seconds: float) -> None:
        super().__init__(message)
        self.seconds = seconds


@dataclass(frozen=True, slots=True)
class Piece:
    """What an engine is given: a chunk's sound (None where it needs none), how many seconds it lasts, what is asked for."""

    samples: Sound | None
    seconds: float
    wishes: Wishes


class Engine(Protocol):
    """One engine in one slot's process; made once, which loads the model.

    Raises:
        EngineError: it cannot be used here; the text says what to do.
    """

    needs_audio: ClassVar[bool]
    """False: recordings are cut by their length alone, without decoding."""

    elsewhere: ClassVar[bool]
    """True: another machine does the work, and this one's cores do not limit it."""

    abilities: Abilities
    """What it can do with its model."""

    def __init__(self, model: str | None) -> None: ...

    def detect_language(self, sound: Sound) -> str | None:
        """Return the language spoken in a chunk, or None when nobody speaks in it."""

    def transcribe(self, piece: Piece) -> list[Segment]:
        """Return a piece's segments in order, in seconds from its start; `index` is not used.

        Raises:
            UnknownLanguage: it does not know the piece's language.
            Refused, ServerBusy: what a server elsewhere says.
            EngineError: it failed.
        """


def find_engine(name: str) -> type[Engine]:
    """Return the engine of a name, not yet made.

    Raises:
        EngineError: no installed package provides it.
    """
    found = {entry.name: entry for entry in entry_points(group="lingoloop.engines")}
    if name not in found:
        raise EngineError(f"there is no engine {name!r}; installed are: {', '.join(sorted(found))}")
    engine: type[Engine] = found[name].load()
    return engine
