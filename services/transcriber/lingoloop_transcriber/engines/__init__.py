"""Engines turn a piece of sound into timed words. They are found by the entry point group `lingoloop.engines`."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, ClassVar, Protocol, runtime_checkable
from uuid import UUID

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


@runtime_checkable
class Finder(Protocol):
    """An engine that finds the language not before the words, but with them: `found` in the last piece, if it was asked."""

    found: str | None


@dataclass(frozen=True, slots=True)
class Look:
    """An operation as it is now: how much of its sound is done, from 0 to 1.

    Once it has ended, each file's segments, and the language that was found in them.
    """

    progress: float
    segments: Sequence[list[Segment]] | None = None
    language: str | None = None


class Operations(Protocol):
    """An engine elsewhere that takes a whole file to an operation, which is looked at again until it has ended.

    Lives in the worker's event loop. Each operation has a key of ours, under which it is found again. All but `start` raise
    ServerBusy, Refused or EngineError.
    """

    longest: float
    """Seconds of sound that an operation takes at most; recordings are cut into parts of that length."""

    shortest: float
    """Seconds up to which small recordings go to the engine's slots instead, which answer at once."""

    def __init__(self, model: str | None, folder: str | None) -> None: ...

    async def start(self) -> None:
        """Be ready; raise EngineError when it cannot be used here."""

    async def stop(self) -> None:
        """Close connections; operations go on."""

    async def begin(self, key: UUID, sounds: Sequence[Path], wishes: Wishes) -> str:
        """Bring FLAC files, one or one for each channel, to the engine, begin an operation on them and return its name."""

    async def find(self, key: UUID) -> list[str]:
        """Return the names of operations that were begun under a key."""

    async def look(self, name: str) -> Look:
        """Say how far an operation is.

        Raises:
            OperationFailed: it has ended without a result.
        """

    async def cancel(self, name: str) -> None:
        """End an operation; one that has ended or is gone is no error."""

    async def forget(self, key: UUID) -> None:
        """Remove all that was stored for the operations of a key."""


class OperationFailed(Exception):
    """An operation has ended without a result; `cause` says why, and whether another could have one."""

    def __init__(self, cause: EngineError) -> None:
        super().__init__(str(cause))
        self.cause = cause


def find_engine(name: str) -> type[Engine]:
    """Return the engine of a name, not yet made.

    Raises:
        EngineError: no installed package provides it, or what it needs is not installed.
    """
    found = {entry.name: entry for entry in entry_points(group="lingoloop.engines")}
    if name not in found:
        raise EngineError(f"there is no engine {name!r}; installed are: {', '.join(sorted(found))}")
    engine: type[Engine] = _load(found[name])
    return engine


def find_operations(name: str) -> type[Operations] | None:
    """Return what the engine of a name has for whole files, not yet made; None where it only takes pieces.

    Raises:
        EngineError: what it needs is not installed.
    """
    for entry in entry_points(group="lingoloop.operations", name=name):
        operations: type[Operations] = _load(entry)
        return operations
    return None


def _load(entry: EntryPoint) -> Any:
    try:
        return entry.load()
    except ModuleNotFoundError as error:
        raise EngineError(
            f"the engine {entry.name!r} needs {error.name}; install lingoloop-transcriber[{entry.name}]"
        ) from error
