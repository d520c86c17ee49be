"""Make talk.ogg: the turns of talk.txt, spoken by two of Debian's flite voices, with pauses of quiet noise between.

The same text gives the same samples each time. The gaps are part of the example: they are where a recording may be cut.
"""

import re
import shutil
import subprocess
import sys
import tempfile
import wave
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

HERE = Path(__file__).parent
RATE = 16_000
"""Samples a second; flite speaks at this rate."""

VOICES = {"A": "slt", "B": "rms"}
"""The best understood voice of the five that speak at `RATE`, and the best one that nobody takes for it."""

GAP = (0.4, 1.2)
"""Shortest and longest pause between two turns, in seconds."""

LOUDNESS = 0.08
"""Root mean square of a turn, of full scale 1; the voices come at different levels."""

NOISE = 0.0006
"""Root mean square of the noise below everything, about −64 dB: a quiet room, not the digital silence no room has."""

BIT_RATE = 32_000

Samples = npt.NDArray[np.float32]


def read_turns(text: str) -> list[tuple[str, str]]:
    """Return (speaker, words) for each line `A: …` or `B: …`; raise ValueError for any other."""
    turns = []
    for number, line in enumerate(text.splitlines(), 1):
        match = re.fullmatch(r"([AB]): (\S.*)", line)
        if match is None:
            raise ValueError(f"line {number} is not `A: …` or `B: …`: {line!r}")
        turns.append((match[1], match[2]))
    return turns


def speak(words: str, voice: str) -> Samples:
    """Return the words as mono samples at `RATE`, all turns equally loud."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "turn.wav")
        subprocess.run(["flite", "-voice", voice, "-t", words, "-o", path], check=True)
        with wave.open(str(path)) as file:
            shape = (file.getframerate(), file.getnchannels(), file.getsampwidth())
            if shape != (RATE, 1, 2):
                raise ValueError(
                    f"flite's voice {voice} does not give 16-bit mono samples at {RATE} Hz, but {shape}"
                )
            spoken = np.frombuffer(file.readframes(file.getnframes()), np.int16).astype(np.float32) / 2**15
    return np.asarray(spoken * (LOUDNESS / np.sqrt(np.mean(spoken**2))), np.float32)


def join(turns: list[tuple[str, str]]) -> Samples:
    """Return the whole talk."""
    random = np.random.default_rng(2026)
    parts = []
    for speaker, words in turns:
        parts += [np.zeros(round(random.uniform(*GAP) * RATE), np.float32), speak(words, VOICES[speaker])]
    parts.append(np.zeros(round(GAP[1] * RATE), np.float32))
    talk = np.concatenate(parts)
    talk += random.normal(0, NOISE, talk.size).astype(np.float32)
    return np.clip(talk, -1, 1)


def encode(talk: Samples, path: Path) -> None:
    """Write the samples as Opus in Ogg, mono."""
    # bitexact: no random stream number and no encoder's version, so that the same samples give the same file.
    with av.open(str(path), "w", format="ogg", container_options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream("libopus", rate=RATE, options={"application": "voip"})
        stream.layout = "mono"
        stream.bit_rate = BIT_RATE
        frame = av.AudioFrame.from_ndarray((talk * 32_767).astype(np.int16)[np.newaxis], "s16", "mono")
        frame.sample_rate = RATE
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def main() -> int:
    """Read talk.txt, write talk.ogg (or the file named), say what was made."""
    if shutil.which("flite") is None:
        print(
            "flite is not installed, and it speaks the text. On Debian or Ubuntu: apt-get install flite",
            file=sys.stderr,
        )
        return 1
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "talk.ogg"
    turns = read_turns((HERE / "talk.txt").read_text())
    talk = join(turns)
    encode(talk, path)
    print(f"{path}: {len(turns)} turns, {talk.size / RATE:.1f} s, {path.stat().st_size} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
