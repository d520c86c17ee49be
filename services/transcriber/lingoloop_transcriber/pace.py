"""How long a slot takes for a second of audio: measured, the last chunks counting most. Pure."""

KEPT = 0.9
"""What of the past still counts after each chunk: the last ten or so make the measure."""


class Pace:
    """The measure of one worker's slots. Waiting for the database and storing are part of it, for they are part of the work."""

    def __init__(self) -> None:
        self._took = self._audio = 0.0

    def add(self, took: float, audio: float) -> None:
        """Count a chunk of `audio` seconds that held a slot for `took` seconds."""
        self._took = self._took * KEPT + took
        self._audio = self._audio * KEPT + audio

    @property
    def value(self) -> float | None:
        """Seconds of a slot per second of audio; None before the first chunk."""
        return self._took / self._audio if self._audio else None
