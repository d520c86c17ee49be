"""A model is put together once, is loaded only when its sum is right, and a folder without one is refused."""

import hashlib
from pathlib import Path

import pytest

from lingoloop_transcriber.engines import EngineError
from lingoloop_transcriber.engines import models as models_module
from lingoloop_transcriber.engines.models import Packaged, default_cache, find_model

PARTS = [b"first half, ", b"second half"]


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
    (folders[1] / "config.json").write_text("{}")
    (folders[1] / "vocabulary.txt").write_text("a")
    (folders[1] / "unrelated.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    names = tuple((folder.parent.name, "data") for folder in folders)
    packaged = Packaged(names, hashlib.sha256(b"".join(PARTS)).hexdigest())
    monkeypatch.setattr(models_module, "PACKAGED", {"half": packaged})
    return folders


def test_a_model_in_parts_is_joined_with_its_files(two_packages: list[Path], tmp_path: Path) -> None:
    folder = find_model("half", tmp_path / "cache")
    assert (folder / "model.bin").read_bytes() == b"".join(PARTS)
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "model.bin", "vocabulary.txt"]


def test_it_is_joined_once(two_packages: list[Path], tmp_path: Path) -> None:
    first = find_model("half", tmp_path / "cache")
    (two_packages[0] / "model.bin.part1").write_bytes(b"not read again")
    assert find_model("half", tmp_path / "cache") == first


def test_a_damaged_model_is_refused_and_leaves_nothing(two_packages: list[Path], tmp_path: Path) -> None:
    (two_packages[0] / "model.bin.part1").write_bytes(b"damaged")
    with pytest.raises(EngineError, match="damaged"):
        find_model("half", tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_the_slower_of_two_processes_takes_what_the_faster_one_made(
    two_packages: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Path] = []
    original = Path.rename

    def rename(self: Path, target: Path) -> Path:
        if not made:
            made.append(Path())
            made[0] = find_model("half", tmp_path / "cache")
        return original(self, target)

    monkeypatch.setattr(Path, "rename", rename)
    assert find_model("half", tmp_path / "cache") == made[0]
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [made[0].name]


def test_a_model_whose_second_package_is_missing_is_left_to_the_hub(
    two_packages: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packaged = Packaged((("half_a_model_1", "data"), ("half_a_model_9", "data")), "0")
    monkeypatch.setattr(models_module, "PACKAGED", {"half": packaged})
    monkeypatch.setattr(models_module, "download_model", lambda name: f"/hub/{name}")
    assert find_model("half", tmp_path / "cache") == Path("/hub/half")


def test_a_folder_with_a_model_is_taken_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "model.bin").touch()
    assert find_model(str(tmp_path), tmp_path / "cache") == tmp_path


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"model\.bin is missing"):
        find_model(str(tmp_path), tmp_path / "cache")


def test_a_name_that_nobody_knows_is_refused_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"'enormous' is not here.*set MODEL to a folder"):
        find_model("enormous", tmp_path)


def test_the_cache_is_where_it_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LINGOLOOP_CACHE", "/here")
    assert default_cache() == Path("/here/models")
    monkeypatch.delenv("LINGOLOOP_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/there")
    assert default_cache() == Path("/there/lingoloop/models")
