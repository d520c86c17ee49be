"""Loads a Whisper model as the settings say: which one, on what, in which numbers."""

from typing import Literal

import ctranslate2
import numpy as np
from pydantic import Field
from pydantic_settings import BaseSettings

from lingoloop_common.contracts.units import SAMPLE_RATE
from lingoloop_common.settings import CONFIG, SettingsError, read_settings
from lingoloop_transcriber.engines import EngineError
from lingoloop_transcriber.engines.decoder import Decoder, Prompt
from lingoloop_transcriber.engines.models import default_cache, find_model

COMPUTE_TYPES = {"cpu": "int8", "cuda": "float16"}
"""The fastest on each device that costs no words."""


class WhisperSettings(BaseSettings):
    """What a model is loaded on, and what its file must be."""

    model_config = CONFIG

    whisper_device: Literal["auto", "cpu", "cuda"] = "auto"
    whisper_compute_type: str | None = Field(None, pattern=r"^[a-z0-9_]{1,20}$")
    model_sha256: str | None = Field(None, pattern=r"^[0-9a-fA-F]{64}$")


def load_decoder(model: str) -> Decoder:
    """Find a model, load it and try it: of its small files, damage shows only when they are used.

    Raises:
        EngineError: the settings are wrong, or the model or the device cannot be used; the text says what to do.
    """
    try:
        settings = read_settings(WhisperSettings)
    except SettingsError as error:
        raise EngineError(str(error)) from error
    device = settings.whisper_device
    if device == "auto":
        device = "cuda" if ctranslate2.get_cuda_device_count() else "cpu"
    compute_type = settings.whisper_compute_type or COMPUTE_TYPES[device]
    able = ctranslate2.get_supported_compute_types(device) if _is_here(device) else set()
    if compute_type not in able:
        raise EngineError(_refusal(device, compute_type, able))
    folder = find_model(model, default_cache(), settings.model_sha256)
    try:
        decoder = Decoder(folder, device=device, compute_type=compute_type)
        decoder.decode(np.zeros(SAMPLE_RATE, np.float32), Prompt(decoder.languages[0]))
    except Exception as error:  # the tokenizer's file is read by a library that raises plain ones
        raise EngineError(
            f"the model {model!r} in {folder} cannot be loaded on {device} ({error}); if it is damaged, get it again"
        ) from error
    return decoder


def _is_here(device: str) -> bool:
    return device == "cpu" or ctranslate2.get_cuda_device_count() > 0


def _refusal(device: str, compute_type: str, able: set[str]) -> str:
    if not able:
        return "WHISPER_DEVICE is cuda, but there is no usable GPU here; check the driver, or set WHISPER_DEVICE=cpu"
    return f"WHISPER_COMPUTE_TYPE {compute_type!r} cannot be used on {device}; these can: {', '.join(sorted(able))}"
