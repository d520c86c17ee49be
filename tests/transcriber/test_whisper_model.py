"""What a model is loaded on is set by the environment; what cannot be is a clear error before anything is fetched."""

import shutil
from pathlib import Path

import ctranslate2
import pytest

from lingoloop_transcriber.engines import EngineError
from lingoloop_transcriber.engines.models import packaged_folders
from lingoloop_transcriber.engines.whisper_model import load_decoder
from lingoloop_transcriber.slots import Slot


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        ("WHISPER_DEVICE", "gpu", "WHISPER_DEVICE: .*'cuda'"),
        ("WHISPER_COMPUTE_TYPE", "int9", r"WHISPER_COMPUTE_TYPE 'int9' .* these can: .*int8"),
        ("WHISPER_COMPUTE_TYPE", "int8; rm", "WHISPER_COMPUTE_TYPE: "),
        ("MODEL_SHA256", "905e5bf8", "MODEL_SHA256: "),
    ],
)
def test_a_setting_that_cannot_be_is_named(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, says: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(EngineError, match=says):
        load_decoder("/nowhere/at all")


@pytest.mark.skipif(ctranslate2.get_cuda_device_count() > 0, reason="there is a GPU here")
def test_a_gpu_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHISPER_DEVICE", "cuda")
    with pytest.raises(EngineError, match=r"no usable GPU here.*WHISPER_DEVICE=cpu"):
        load_decoder("/nowhere/at all")


async def test_a_slot_with_a_damaged_model_does_not_start_and_says_why(tmp_path: Path) -> None:
    for name in ("model.bin", "config.json", "tokenizer.json", "vocabulary.json"):
        (tmp_path / name).write_text("{}")
    with pytest.raises(EngineError, match=r"cannot be loaded on .*if it is damaged, get it again"):
        await Slot(0, {"engine": "whisper", "model": str(tmp_path)}).start()


@pytest.mark.skipif(not packaged_folders("tiny.en"), reason="no Whisper model here")
@pytest.mark.parametrize(
    ("name", "damaged"),
    [
        ("vocabulary.txt", b""),
        ("config.json", b"{}"),
        ("tokenizer.json", b'{"model": {"type": "BPE", "vocab": {}, "merges": []}}'),
    ],
)
def test_a_model_with_a_small_file_that_is_damaged_is_not_used(
    tmp_path: Path, name: str, damaged: bytes
) -> None:
    [folder] = packaged_folders("tiny.en")
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    load_decoder(str(tmp_path))
    (tmp_path / name).write_bytes(damaged)
    with pytest.raises(EngineError, match=r"cannot be loaded on .*if it is damaged, get it again"):
        load_decoder(str(tmp_path))
