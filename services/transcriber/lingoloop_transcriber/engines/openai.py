"""`openai`: a chunk's speech is sent to a server that speaks OpenAI's API, theirs or any other."""

import re
from typing import Annotated, ClassVar, Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode

from lingoloop_common.contracts.engines import MULTI, Abilities, Ability, Wishes, spoken
from lingoloop_common.contracts.transcript import Segment, Word
from lingoloop_common.contracts.units import DEFAULT_MODELS
from lingoloop_common.settings import CONFIG, SettingsError, read_settings
from lingoloop_transcriber.engines import EngineError, Piece, Sound
from lingoloop_transcriber.engines.chinese import script_of, write_chinese
from lingoloop_transcriber.engines.excerpts import make_excerpt
from lingoloop_transcriber.engines.flac import to_flac
from lingoloop_transcriber.engines.language_names import language_code
from lingoloop_transcriber.engines.openai_answers import read_answer, segments_of
from lingoloop_transcriber.engines.openai_server import Server
from lingoloop_transcriber.engines.speech import hear, make_windows

TRANSCRIPTIONS, TRANSLATIONS = "/audio/transcriptions", "/audio/translations"

Format = Literal["verbose_json", "json"]
"""With times, or the text alone."""

NAME = re.compile(r"[A-Za-z0-9][\x21-\x7e]*")

POSSIBLE = frozenset({Ability.MULTI, Ability.TRANSLATE, Ability.HOTWORDS})
"""What a server that speaks this API may be able to do."""


class OpenAISettings(BaseSettings):
    """Which server, and what it can where its model's name does not tell."""

    model_config = CONFIG

    openai_base_url: str = Field("https://api.openai.com/v1", pattern=r"^https?://[^/@\s]+(/\S*)?$")
    openai_api_key: SecretStr = SecretStr("")
    openai_timeout_ms: int = Field(50_000, ge=1_000, le=600_000)
    openai_response_format: Format | None = None
    openai_abilities: Annotated[frozenset[Ability] | None, NoDecode] = None

    @field_validator("openai_api_key")
    @classmethod
    def _fits_a_header(cls, value: SecretStr) -> SecretStr:
        key = value.get_secret_value()
        if not (key.isascii() and key.isprintable()) or " " in key:
            raise ValueError("must be letters, digits and signs, without spaces or line ends")
        return value

    @field_validator("openai_abilities", mode="before")
    @classmethod
    def _with_commas(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        names = {part.strip() for part in value.split(",")} - {"", "none"}
        if not names <= set(POSSIBLE):
            raise ValueError(f"must be none, or some of {', '.join(sorted(POSSIBLE))}")
        return names


class OpenAI:
    """One server's model. Speech alone is sent, each chunk's in one request."""

    needs_audio: ClassVar[bool] = True
    elsewhere: ClassVar[bool] = True

    def __init__(self, model: str | None) -> None:
        try:
            settings = read_settings(OpenAISettings)
        except SettingsError as error:
            raise EngineError("; ".join(line.strip() for line in str(error).splitlines()[1:])) from None
        self._model = model or DEFAULT_MODELS["openai"]
        if not NAME.fullmatch(self._model):
            raise EngineError(
                "MODEL must be what the engine's server calls its model; a folder here is of no use to it"
            )
        self._format = settings.openai_response_format or answers_of(self._model)
        self.abilities = abilities_of(self._model, settings.openai_abilities)
        self._tells_language = self._format == "verbose_json"
        key, timeout = settings.openai_api_key.get_secret_value(), settings.openai_timeout_ms / 1000
        self._server = Server(settings.openai_base_url, key, timeout)

    def detect_language(self, sound: Sound) -> str | None:
        """Return the language of a chunk's first speech; None when nobody speaks in it, or the server does not tell."""
        if self.abilities.languages == ("en",):
            return "en"
        if not self._tells_language:
            return None
        sound, speech = hear(sound)
        windows = make_windows(speech)
        if not windows:
            return None
        fields = self._fields(Wishes())
        body = self._server.ask(TRANSCRIPTIONS, fields, to_flac(make_excerpt(sound, windows[0]).sound))
        found = language_code(read_answer(body).language or "")
        self._tells_language = found is not None  # else each chunk's would be asked, and paid, for nothing
        return found

    def transcribe(self, piece: Piece) -> list[Segment]:
        """Return a chunk's segments, with word times where the server tells them; silence and noise are not sent."""
        assert piece.samples is not None  # needs_audio
        sound, speech = hear(piece.samples)
        if not speech:
            return []
        excerpt = make_excerpt(sound, speech)
        path = TRANSLATIONS if piece.wishes.task == "translate" else TRANSCRIPTIONS
        body = self._server.ask(path, self._fields(piece.wishes), to_flac(excerpt.sound))
        segments = segments_of(read_answer(body), excerpt, speech)
        script = script_of(piece.wishes.language or "") if path == TRANSCRIPTIONS else None
        return [_written(segment, script) for segment in segments] if script else segments

    def _fields(self, wishes: Wishes) -> dict[str, str | list[str]]:
        fields: dict[str, str | list[str]] = {"model": self._model, "response_format": self._format}
        if wishes.hotwords:
            fields["prompt"] = ", ".join(wishes.hotwords)
        if wishes.task == "translate":  # knows neither of the others
            return fields
        if wishes.language not in (None, MULTI):
            fields["language"] = spoken(str(wishes.language))
        if self._format == "verbose_json":
            fields["timestamp_granularities[]"] = ["word", "segment"]
        return fields


def _written(segment: Segment, script: str) -> Segment:
    """Return a segment in the Chinese script that was asked for: servers know none of them apart."""
    whole = Word(word=segment.text, start=segment.start, end=segment.end, confidence=segment.confidence)
    words = write_chinese(segment.words or [whole], script)
    text = "".join(word.word for word in words).strip()
    return segment.model_copy(update={"text": text, "words": words if segment.words else None})


def _name(model: str) -> str:
    return model.rpartition("/")[2].lower()


def answers_of(model: str) -> Format:
    """Return what a model answers, by its name: of OpenAI's own, Whisper alone tells times."""
    return "json" if _name(model).startswith("gpt-") else "verbose_json"


def abilities_of(model: str, said: frozenset[Ability] | None) -> Abilities:
    """Return what a model can do, by its name, or as the operator says it."""
    name = _name(model)
    english = name.endswith(".en")
    can = set[Ability]()
    if not english:
        can.add(Ability.MULTI)
    if "diarize" not in name:
        can.add(Ability.HOTWORDS)
    if "whisper" in name and not english and "turbo" not in name and "distil" not in name:
        can.add(Ability.TRANSLATE)
    return Abilities(languages=("en",) if english else None, can=frozenset(can) if said is None else said)
