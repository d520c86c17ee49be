"""`loudness`: an engine from outside, for tests. It needs the sound, but no model: says how loud each second is."""

from pathlib import Path

import numpy as np

from lingoloop_common.contracts.engines import Abilities
from lingoloop_common.contracts.transcript import Segment
from lingoloop_transcriber.engines import Piece, Sound


class Loudness:
    """Hears how loud it is."""

    needs_audio = True
    abilities = Abilities()

    def __init__(self, model: str | None) -> None: ...

    def detect_language(self, sound: Sound) -> str | None:
        """It knows no language."""
        return None

    def transcribe(self, piece: Piece) -> list[Segment]:
        """Return one segment: the loudest sample."""
        assert piece.samples is not None
        text = f"{np.abs(piece.samples).max():.2f}"
        return [Segment(index=0, start=0.0, end=piece.seconds, text=text, confidence=1.0, words=[])]


def install(folder: Path) -> None:
    """Write what makes the engine one of those that are installed, for processes with the folder in their path."""
    package = folder / "loudness-1.dist-info"
    package.mkdir(parents=True)
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: loudness\nVersion: 1\n")
    (package / "entry_points.txt").write_text(
        f"[lingoloop.engines]\nloudness = {__name__}:{Loudness.__name__}\n"
    )
