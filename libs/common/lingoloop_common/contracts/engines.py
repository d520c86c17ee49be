"""What a run may ask of an engine, and what engines say that they can. Pure."""

import re
from enum import StrEnum
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from lingoloop_common.contracts.text import plain

MULTI = "multi"
"""The language of a recording in which it changes: each chunk's is found alone."""

LANGUAGE = re.compile(rf"{MULTI}|[a-z]{{2,3}}(-[A-Za-z]{{2,8}}){{0,4}}")
"""`multi`, or a code; after its first part the dialect, script, place and variant (RFC 5646, section 2.1)."""

HOTWORDS_MOST = 200
HOTWORD_LONGEST = 100


class Ability(StrEnum):
    """What an engine may be able to do beside writing down what is said in one language."""

    MULTI = "multi"
    TRANSLATE = "translate"
    HOTWORDS = "hotwords"
    DIARIZE = "diarize"
    CHANNELS = "channels"
    TRACK = "track"


class Abilities(BaseModel):
    """What an engine can do with its model; each worker says it of its lane."""

    model_config = ConfigDict(frozen=True)

    languages: tuple[str, ...] | None = None
    """Codes of the languages it knows; None: it takes any, and says itself what it does not know."""
    can: frozenset[Ability] = frozenset()


class Wishes(BaseModel):
    """What a run asks of its engine."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    language: str | None = Field(default=None, json_schema_extra={"pattern": f"^({LANGUAGE.pattern})?$"})
    """What is spoken, as a code like `en`, `de`, `zh`, `zh-Hans` or `zh-Hant`; found by listening where it is not said.
    `multi`: it changes, and is found again and again."""

    task: Literal["transcribe", "translate"] = "transcribe"
    """`translate`: the words are written in English."""

    hotwords: list[str] = Field(
        default=[], max_length=HOTWORDS_MOST, json_schema_extra={"items": {"type": "string", "minLength": 1}}
    )
    """Names and terms that are likely to be said; with commas between, or in JSON as a list."""

    diarize: bool = False
    """Whether to tell who speaks."""

    channels: Literal["mixed", "separate"] = "mixed"
    """`separate`: each channel is transcribed alone, as for phone calls with a speaker on each."""

    track: int = Field(default=0, ge=0, le=99)
    """Which of the file's sound tracks, counted from 0."""

    @field_validator("language")
    @classmethod
    def _known_shape(cls, value: str | None) -> str | None:
        if value and not LANGUAGE.fullmatch(value):
            raise ValueError("a language is a code like en, de or zh, or multi")
        return value or None

    @field_validator("channels")
    @classmethod
    def _one_way_to_tell(cls, value: str, info: ValidationInfo) -> str:
        if value == "separate" and info.data.get("diarize"):
            raise ValueError("separate channels tell who speaks: leave out diarize")
        return value

    @field_validator("hotwords", mode="before")
    @classmethod
    def _with_commas(cls, value: object) -> object:
        return (
            [word for part in value.split(",") if (word := plain(part))] if isinstance(value, str) else value
        )

    @field_validator("hotwords")
    @classmethod
    def _on_one_line(cls, value: list[str]) -> list[str]:
        words = [plain(word) for word in value]
        if not all(1 <= len(word) <= HOTWORD_LONGEST for word in words):
            raise ValueError(f"a hot word has 1 to {HOTWORD_LONGEST} letters")
        return words

    def more(self) -> dict[str, Any]:
        """Return what is asked for beside the language, as far as it is not the default."""
        wishes = {name: getattr(self, name) for name in Wishes.model_fields if name != "language"}
        return {name: value for name, value in wishes.items() if value != Wishes.model_fields[name].default}

    @property
    def separate(self) -> bool:
        """Whether each channel is transcribed alone."""
        return self.channels == "separate"

    @property
    def needed(self) -> frozenset[Ability]:
        """What an engine must be able to do."""
        needs = {
            Ability.MULTI: self.language == MULTI,
            Ability.TRANSLATE: self.task == "translate",
            Ability.HOTWORDS: bool(self.hotwords),
            Ability.DIARIZE: self.diarize,
            Ability.CHANNELS: self.separate,
            Ability.TRACK: self.track > 0,
        }
        return frozenset(ability for ability, needed in needs.items() if needed)


LACKS = {
    Ability.MULTI: ("language", "does not follow a language that changes"),
    Ability.TRANSLATE: ("task", "does not translate"),
    Ability.HOTWORDS: ("hotwords", "takes no hot words"),
    Ability.DIARIZE: (
        "diarize",
        "does not tell who speaks (whisper does where lingoloop-transcriber[speakers] is installed)",
    ),
    Ability.CHANNELS: ("channels", "does not take channels one by one"),
    Ability.TRACK: ("track", "takes the first sound track alone"),
}
"""For each ability the field that asks for it, and what is said of an engine without it."""


SAME = {"nb": "no", "iw": "he", "in": "id", "ji": "yi", "jv": "jw", "fil": "tl", "cmn": "zh"}
"""Codes of languages that the engines call by another, the one that Whisper was trained with."""


def spoken(language: str) -> str:
    """Return the language of a code like `zh-Hant` (RFC 5646, its first part), as the engines call it."""
    code = language.partition("-")[0].lower()
    return SAME.get(code, code)


def lacking(abilities: Abilities, wishes: Wishes) -> dict[str, str]:
    """Return what an engine lacks: for each field that asks too much, what it does not do."""
    missing = dict(LACKS[ability] for ability in sorted(wishes.needed - abilities.can))
    if wishes.language and wishes.language != MULTI and abilities.languages is not None:
        code = spoken(wishes.language)
        if code not in abilities.languages:
            missing["language"] = f"does not know the language {code}"
    return missing
