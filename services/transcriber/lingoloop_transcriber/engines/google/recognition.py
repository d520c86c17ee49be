"""What Google is asked for: its models and their limits, languages in its codes, a run's wishes as its configuration. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from google.cloud.speech_v2.types import cloud_speech

from lingoloop_common.contracts.engines import LANGUAGE, MULTI, Abilities, Ability, Wishes
from lingoloop_common.contracts.units import DEFAULT_MODELS, SAMPLE_RATE
from lingoloop_transcriber.engines import Refused

SHORTEST = 60.0
"""Seconds up to which `recognize` answers at once (also 10 MB; a minute has 2). docs.cloud.google.com/speech-to-text/docs/quotas"""


@dataclass(frozen=True, slots=True)
class Model:
    """What a model can do.

    Attributes:
        longest: seconds of sound that it takes in a batch, with the times of words.
        diarizes: whether it tells who speaks.
        finds_language: whether it finds out by itself what is spoken.
    """

    longest: float = 8 * 3600.0
    diarizes: bool = False
    finds_language: bool = False


MODELS = {
    # docs.cloud.google.com/speech-to-text/docs/models/chirp-3: an hour, but 20 minutes with the times of words.
    "chirp_3": Model(longest=20 * 60.0, diarizes=True, finds_language=True),
    "chirp_2": Model(finds_language=True),
}
"""Those that differ from the others. docs.cloud.google.com/speech-to-text/docs/quotas: 8 hours a file."""

LANGUAGES = {
    "ar": "ar-EG", "bg": "bg-BG", "bn": "bn-BD", "ca": "ca-ES", "cs": "cs-CZ", "da": "da-DK", "de": "de-DE",
    "el": "el-GR", "en": "en-US", "es": "es-ES", "et": "et-EE", "fa": "fa-IR", "fi": "fi-FI", "fr": "fr-FR",
    "gu": "gu-IN", "he": "iw-IL", "hi": "hi-IN", "hr": "hr-HR", "hu": "hu-HU", "id": "id-ID", "it": "it-IT",
    "ja": "ja-JP", "kn": "kn-IN", "ko": "ko-KR", "lt": "lt-LT", "lv": "lv-LV", "ml": "ml-IN", "mr": "mr-IN",
    "ms": "ms-MY", "nl": "nl-NL", "no": "no-NO", "pa": "pa-Guru-IN", "pl": "pl-PL", "pt": "pt-BR", "ro": "ro-RO",
    "ru": "ru-RU", "sk": "sk-SK", "sl": "sl-SI", "sr": "sr-RS", "sv": "sv-SE", "sw": "sw", "ta": "ta-IN",
    "te": "te-IN", "th": "th-TH", "tr": "tr-TR", "uk": "uk-UA", "ur": "ur-PK", "vi": "vi-VN",
    "yue": "yue-Hant-HK", "zh": "cmn-Hans-CN", "zh-Hans": "cmn-Hans-CN", "zh-CN": "cmn-Hans-CN",
    "zh-Hant": "cmn-Hant-TW", "zh-TW": "cmn-Hant-TW",
}  # fmt: skip
"""Google wants a region with each language; where none is said, this one. Others go to it as they are."""

_OURS = {google.lower(): ours for ours, google in reversed(LANGUAGES.items())}

BOOST = 10.0
"""How much likelier hot words are made, of 20."""


def model_name(model: str | None) -> str:
    """Return the name of the model that a worker runs."""
    return model or DEFAULT_MODELS["google"]


def model_of(name: str) -> Model:
    """Return what is known of a model."""
    return MODELS.get(name, Model())


def abilities_of(name: str) -> Abilities:
    """Return what can be asked of a model; which languages it knows, it says itself."""
    can = {Ability.HOTWORDS} | ({Ability.DIARIZE} if model_of(name).diarizes else set())
    return Abilities(can=frozenset(can))


def language_codes(name: str, language: str | None, usual: Sequence[str]) -> list[str]:
    """Return what is spoken in Google's codes: as said, else the installation's usual ones, else for the model to find out.

    Raises:
        Refused: the model does not find out.
    """
    if language:
        return [LANGUAGES.get(language, language)]
    if usual:
        return [LANGUAGES.get(code, code) for code in usual]
    if model_of(name).finds_language:
        return ["auto"]
    raise Refused(
        f"the model {name} does not find out what is spoken: name the language, or set GOOGLE_SPEECH_LANGUAGES"
    )


def language_of(code: str) -> str | None:
    """Return in our codes what Google says is spoken; None for what is no code of ours."""
    language, *rest = code.lower().split("-")
    written = "-".join([language, *(part.upper() if len(part) == 2 else part.title() for part in rest)])
    known = (_OURS.get(code.lower()), written, language)
    return next((one for one in known if one and one != MULTI and LANGUAGE.fullmatch(one)), None)


def recognition_config(
    name: str, wishes: Wishes, usual: Sequence[str], *, raw: bool
) -> cloud_speech.RecognitionConfig:
    """Return the configuration for a run's wishes; `raw`: the sound comes as bare 16-bit samples.

    Raises:
        Refused: no language is known, and the model needs one.
    """
    config = cloud_speech.RecognitionConfig(
        model=name,
        language_codes=language_codes(name, wishes.language, usual),
        features=cloud_speech.RecognitionFeatures(
            enable_word_time_offsets=True, enable_word_confidence=True, enable_automatic_punctuation=True
        ),
    )
    if raw:
        config.explicit_decoding_config = cloud_speech.ExplicitDecodingConfig(
            encoding=cloud_speech.ExplicitDecodingConfig.AudioEncoding.LINEAR16,
            sample_rate_hertz=SAMPLE_RATE,
            audio_channel_count=1,
        )
    else:
        config.auto_decoding_config = cloud_speech.AutoDetectDecodingConfig()
    if wishes.diarize:
        config.features.diarization_config = cloud_speech.SpeakerDiarizationConfig()
    if wishes.hotwords:
        phrases = [cloud_speech.PhraseSet.Phrase(value=word) for word in wishes.hotwords]
        inline = cloud_speech.PhraseSet(phrases=phrases, boost=BOOST)
        config.adaptation = cloud_speech.SpeechAdaptation(
            phrase_sets=[cloud_speech.SpeechAdaptation.AdaptationPhraseSet(inline_phrase_set=inline)]
        )
    return config
