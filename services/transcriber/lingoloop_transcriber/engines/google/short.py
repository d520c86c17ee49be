"""Short recognition: a piece of at most a minute goes up with the request, and the words come back with the answer."""

from typing import ClassVar

import numpy as np
from google.auth.exceptions import GoogleAuthError
from google.cloud import speech_v2
from google.cloud.speech_v2.types import cloud_speech

from lingoloop_common.contracts.transcript import Segment
from lingoloop_transcriber.engines import EngineError, Piece, Sound
from lingoloop_transcriber.engines.google.clients import speech_client
from lingoloop_transcriber.engines.google.errors import translated
from lingoloop_transcriber.engines.google.recognition import abilities_of, model_name, recognition_config
from lingoloop_transcriber.engines.google.settings import google_settings
from lingoloop_transcriber.engines.google.words import language_in, segments_of

ANSWER_TIMEOUT = 120.0
"""Seconds for one answer."""


class Short:
    """Google in a slot; the model is elsewhere, so nothing is loaded."""

    needs_audio: ClassVar[bool] = True
    elsewhere: ClassVar[bool] = True

    def __init__(self, model: str | None) -> None:
        self._settings = google_settings()
        self._model = model_name(model)
        self.found: str | None = None
        self.abilities = abilities_of(self._model)
        try:
            self._client: speech_v2.SpeechClient = speech_client(self._settings)
        except GoogleAuthError as error:
            raise EngineError(f"there are no credentials for Google: {error}") from error

    def detect_language(self, sound: Sound) -> str | None:
        """Google finds it out with the words."""
        return None

    def transcribe(self, piece: Piece) -> list[Segment]:
        """Return a piece's segments."""
        assert piece.samples is not None  # needs_audio
        request = cloud_speech.RecognizeRequest(
            recognizer=self._settings.recognizer,
            config=recognition_config(
                self._model, piece.wishes, self._settings.google_speech_languages, raw=True
            ),
            content=(piece.samples * 32768).clip(-32768, 32767).astype(np.int16).tobytes(),
        )
        with translated():
            answer = self._client.recognize(request, retry=None, timeout=ANSWER_TIMEOUT)
        results = cloud_speech.RecognizeResponse.pb(answer).results
        self.found = language_in(results)
        return segments_of(results)
