"""Engines turn a piece of sound into timed words. They are found by the entry point group `lingoloop.engines`."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from lingoloop_common.contracts.transcript import Segment


class EngineError(Exception):
    """The engine cannot be used, or failed on a piece; the text is for the operator and the recording's owner."""


@dataclass(frozen=True, slots=True)
class Piece:
    """What an engine is given: 16 kHz mono samples in [-1, 1] (None where it needs none), and how long they last."""

    samples: NDArray[np.float32] | None
    seconds: float
    language: str | None
    options: Mapping[str, Any]


class Engine(Protocol):
    """One engine in one process. It is made in the parent, and loaded and used in a slot."""

    needs_audio: bool
    """False: recordings are cut by their length alone, without decoding."""

    def prepare(self) -> Mapping[str, Any]:
        """Once a host, before any slot starts: get what slots share (model files) and return it for `load`.

        Raises:
            EngineError: it cannot be used here; the text says what to do.
        """

    def load(self, prepared: Mapping[str, Any]) -> None:
        """Once a slot: make ready to transcribe."""

    def transcribe(self, piece: Piece) -> list[Segment]:
        """Return a piece's segments in order, in seconds from its start; `index` is not used.

        Raises:
            EngineError: it failed.
        """


def make_engine(name: str, model: str | None) -> Engine:
    """Return the engine of a name.

    Raises:
        EngineError: no installed package provides it.
    """
    found = {entry.name: entry for entry in entry_points(group="lingoloop.engines")}
    if name not in found:
        raise EngineError(f"there is no engine {name!r}; installed are: {', '.join(sorted(found))}")
    engine: Engine = found[name].load()(model)
    return engine
