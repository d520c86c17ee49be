"""A model is put together or fetched once a host, is loaded only when it is whole and its sum is right, and else says so."""

import hashlib
import os
import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lingoloop_transcriber.engines import EngineError
from lingoloop_transcriber.engines import models as models_module
from lingoloop_transcriber.engines.models import Packaged, default_cache, find_model, is_folder
from tests.transcriber.model_hub import sha256

PARTS = [b"first half, ", b"second half"]
WHOLE = b"".join(PARTS)
FILES = {"model.bin": WHOLE, "config.json": b"{}", "tokenizer.json": b"{}", "vocabulary.txt": b"a"}


@pytest.fixture
def two_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """A model in two installed packages; return its folders."""
    folders = []
    for number, part in enumerate(PARTS, 1):
        folder = tmp_path / f"half_a_model_{number}" / "data"
        folder.mkdir(parents=True)
        (folder.parent / "__init__.py").touch()
        (folder / f"model.bin.part{number}").write_bytes(part)
        folders.append(folder)
    for name, data in FILES.items():
        if name != "model.bin":
            (folders[1] / name).write_bytes(data)
    (folders[1] / "unrelated.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    names = tuple((folder.parent.name, "data") for folder in folders)
    monkeypatch.setattr(models_module, "PACKAGED", {"half": Packaged(names, sha256(WHOLE))})
    return folders


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a model."""
    made = tmp_path / "a model"
    made.mkdir()
    for name, data in FILES.items():
        (made / name).write_bytes(data)
    return made


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def test_a_model_in_parts_is_joined_with_its_files(two_packages: list[Path], cache: Path) -> None:
    made = find_model("half", cache)
    assert {path.name: path.read_bytes() for path in made.iterdir()} == FILES


def test_it_is_joined_once(two_packages: list[Path], cache: Path) -> None:
    first = find_model("half", cache)
    (two_packages[0] / "model.bin.part1").write_bytes(b"-" * len(PARTS[0]))  # not read again
    assert find_model("half", cache) == first


def test_many_slots_that_start_at_once_join_it_once(
    two_packages: list[Path], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    joined = []
    join = models_module._join

    def noted(parts: Sequence[Path], target: Path) -> str:
        joined.append(target)
        return join(parts, target)

    monkeypatch.setattr(models_module, "_join", noted)
    with ThreadPoolExecutor(8) as slots:
        found = set(slots.map(lambda _: find_model("half", cache), range(8)))
    assert len(found) == len(joined) == 1


def test_one_that_was_cut_short_since_is_joined_again(two_packages: list[Path], cache: Path) -> None:
    made = find_model("half", cache)
    (made / "model.bin").write_bytes(b"cut short")
    assert (find_model("half", cache) / "model.bin").read_bytes() == WHOLE


def test_a_damaged_model_is_refused_and_leaves_nothing(two_packages: list[Path], cache: Path) -> None:
    (two_packages[0] / "model.bin.part1").write_bytes(b"damaged")
    with pytest.raises(EngineError, match=r"damaged.*reinstall"):
        find_model("half", cache)
    assert [path.name for path in cache.iterdir()] == ["half.lock"]


def test_what_one_that_was_killed_left_half_joined_is_cleared_away(
    two_packages: list[Path], cache: Path
) -> None:
    made = find_model("half", cache)
    (made / "model.bin").unlink()
    made.rename(cache / f".{made.name}")
    assert find_model("half", cache) == made
    assert not [path for path in cache.iterdir() if path.name.startswith(".")]


def test_other_users_of_the_host_may_read_it(two_packages: list[Path], cache: Path) -> None:
    assert find_model("half", cache).stat().st_mode == cache.stat().st_mode


def test_a_note_that_a_full_disk_cut_short_is_written_again(
    cache: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models_module, "download_model", lambda name, **_: str(folder))
    find_model("small", cache)
    note = cache / "small.fetched"
    whole = note.read_text()
    for rest in ("", whole[:5], whole[:-1]):
        note.write_text(rest)
        assert find_model("small", cache) == folder
        assert note.read_text() == whole


def test_a_model_whose_second_package_is_missing_is_left_to_the_hub(
    two_packages: list[Path], cache: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packaged = Packaged((("half_a_model_1", "data"), ("half_a_model_9", "data")), "0")
    monkeypatch.setattr(models_module, "PACKAGED", {"half": packaged})
    monkeypatch.setattr(models_module, "download_model", lambda name, **_: str(folder))
    assert find_model("half", cache) == folder


def test_a_folder_with_a_model_is_taken_as_it_is(folder: Path, cache: Path) -> None:
    assert find_model(str(folder), cache) == folder
    assert not cache.exists()


@pytest.mark.parametrize("name", FILES)
def test_a_folder_that_lacks_a_file_is_refused(folder: Path, cache: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(EngineError, match=r"it lacks \w+\.\w+; set MODEL"):
        find_model(str(folder), cache)


def test_a_folder_s_sum_is_checked_where_it_is_given_and_once_a_host(
    folder: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert find_model(str(folder), cache, sha256(WHOLE).upper()) == folder
    with monkeypatch.context() as unreadable:
        unreadable.setattr(hashlib, "file_digest", None)
        assert find_model(str(folder), cache, sha256(WHOLE)) == folder
    weights = folder / "model.bin"
    weights.write_bytes(b"x" * len(WHOLE))
    os.utime(weights, (1, 1))
    with pytest.raises(EngineError, match="not what MODEL_SHA256 says"):
        find_model(str(folder), cache, sha256(WHOLE))


def test_a_cache_that_cannot_be_written_is_named(two_packages: list[Path], cache: Path) -> None:
    cache.touch()
    with pytest.raises(EngineError, match=r"kept ready.*LINGOLOOP_CACHE"):
        find_model("half", cache)


def test_a_name_that_nobody_knows_is_refused_with_what_to_do(cache: Path) -> None:
    with pytest.raises(EngineError, match=r"'enormous' is not here.*set MODEL to a folder"):
        find_model("enormous", cache)


@pytest.mark.parametrize(
    ("model", "yes"),
    [("base", False), ("Systran/faster-whisper-small", False), ("/models/small", True), ("./small", True)],
)
def test_what_can_be_on_the_hub_is_told_from_a_path(model: str, yes: bool) -> None:
    assert is_folder(model) == yes


def test_a_path_that_is_there_is_a_folder(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(folder, tmp_path / "models" / "small")
    monkeypatch.chdir(tmp_path)
    assert is_folder("models/small")


def test_the_cache_is_where_it_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LINGOLOOP_CACHE", "/here")
    assert default_cache() == Path("/here/models")
    monkeypatch.delenv("LINGOLOOP_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/there")
    assert default_cache() == Path("/there/lingoloop/models")
