"""Answers in the shapes that Google's service gives."""

from datetime import timedelta
from typing import Any

from google.cloud.speech_v2.types import cloud_speech


def word(text: str, start: float, end: float, *, speaker: str = "", confidence: float = 0.0) -> Any:
    return cloud_speech.WordInfo(
        word=text,
        start_offset=timedelta(seconds=start),
        end_offset=timedelta(seconds=end),
        speaker_label=speaker,
        confidence=confidence,
    )


def result(transcript: str, *words: Any, end: float, confidence: float = 0.0) -> Any:
    """Return one result; `end` in seconds."""
    return cloud_speech.SpeechRecognitionResult(
        alternatives=[
            cloud_speech.SpeechRecognitionAlternative(
                transcript=transcript, words=list(words), confidence=confidence
            )
        ],
        result_end_offset=timedelta(seconds=end),
        language_code="en-us",
    )


def results(*heard: Any) -> Any:
    return cloud_speech.BatchRecognizeResults(results=list(heard))


HELLO = results(
    result(
        "Hello there. Bye.",
        word("Hello", 0.4, 0.8, confidence=0.9),
        word("there.", 0.8, 1.2, confidence=0.8),
        word("Bye.", 2.5, 3.0, confidence=0.7),
        end=3.2,
    )
)
