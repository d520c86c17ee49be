"""The checks of `doctor` that ask nobody: settings, model, storage, disk."""

import asyncio
import difflib
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from pydantic_settings import BaseSettings

from lingoloop.finding import NOTHING_YET, Finding, Setup, ok, skipped, wrong
from lingoloop_common.blobs import Blobs
from lingoloop_common.blobs.choice import open_blobs
from lingoloop_common.contracts.units import DEFAULT_MODELS
from lingoloop_common.lifecycle import running
from lingoloop_common.settings import RecordingSettings, SettingsError, read_settings
from lingoloop_common.store.ids import new_id
from lingoloop_common.tracing import why_not
from lingoloop_gateway.settings import GatewaySettings
from lingoloop_notifier.settings import NotifierSettings
from lingoloop_transcriber.engines import EngineError, find_engine
from lingoloop_transcriber.settings import TranscriberSettings

SERVICES: tuple[type[BaseSettings], ...] = (GatewaySettings, NotifierSettings, TranscriberSettings)

OTHERS = {
    "LINGOLOOP_CACHE",
    "LINGOLOOP_DATA",
    "LINGOLOOP_TOKEN",
    "LINGOLOOP_URL",
    "MODEL_SHA256",
    "OPENAI_ABILITIES",
    "OPENAI_API_KEY",
    "OPENAI_BASE_URL",
    "OPENAI_RESPONSE_FORMAT",
    "OPENAI_TIMEOUT_MS",
    "SIMULATED_MS_PER_SECOND",
    "WHISPER_COMPUTE_TYPE",
    "WHISPER_DEVICE",
}
"""Variables that are read outside the services' settings."""

NEAR = 0.9
"""Similarity (difflib's ratio) from which a variable is taken for a misspelt one of ours."""

LONG = 8
"""Letters of a setting below which others' variables are too often like it: MODE is not MODEL."""

LEAST_FREE = 2**30
"""Bytes below which a disk is called full: a long recording and its chunks need some hundred MB."""


def check_settings(setup: Setup) -> Finding:
    """Can every service use its settings, and is none misspelt?"""
    given = _given(setup)
    problems = dict.fromkeys(problem for service in SERVICES for problem in _problems(service, given))
    problems |= dict.fromkeys(_misspelt())
    if no_traces := why_not(os.environ):
        problems[no_traces] = None
    if problems:
        return wrong(f"{len(problems)} cannot be used", *problems)
    return ok("all services' can be used")


def _given(setup: Setup) -> dict[str, object]:
    """Return what the one-process mode gives its services where the environment names nothing."""
    secret = setup.folder.secret_file
    given: dict[str, object] = {
        "database_url": setup.database_url or "postgresql://",
        "broker_url": setup.broker_url,
        "blob_dir": setup.blob_dir,
    }
    if not os.environ.get("AUTH_JWT_SECRET"):
        given["auth_jwt_secret"] = (
            secret.read_text().strip() if secret.exists() else "made at the first start" * 2
        )
    return given


def _problems(service: type[BaseSettings], given: dict[str, object]) -> Iterator[str]:
    try:
        read_settings(
            service, **{name: value for name, value in given.items() if name in service.model_fields}
        )
    except SettingsError as error:
        yield from (line.strip() for line in str(error).splitlines()[1:])


def _misspelt() -> Iterator[str]:
    known = {name.upper() for service in SERVICES for name in service.model_fields} | OTHERS
    candidates = [name for name in known if len(name) >= LONG and name not in os.environ]
    for name in sorted(os.environ.keys() - known):
        if near := difflib.get_close_matches(name.upper(), candidates, n=1, cutoff=NEAR):
            yield f"{name}: nobody reads it; did you mean {near[0]}?"


def check_model(setup: Setup) -> Finding:
    """Is the model here that transcribers load, and whole?"""
    try:
        engine = find_engine(setup.engine)
        if engine.elsewhere:
            engine(setup.model)
            return ok(f"the engine {setup.engine} asks a server, and its settings can be used")
        if setup.engine != "whisper":
            return skipped(f"the engine {setup.engine} has none here")
        return _whisper_model(setup.model or DEFAULT_MODELS["whisper"])
    except EngineError as error:
        return wrong(str(error), "set ENGINE and MODEL to ones that are here, or install them")


def _whisper_model(model: str) -> Finding:
    from lingoloop_transcriber.engines.models import (  # noqa: PLC0415  (takes a second that other commands need not wait)
        PACKAGED,
        default_cache,
        find_model,
        hub_copy,
        is_folder,
        packaged_folders,
    )

    packaged = PACKAGED[model] if packaged_folders(model) else None
    if not is_folder(model) and not packaged:
        try:  # a look must not fetch gigabytes
            return ok(f"{model} in {hub_copy(model, default_cache(), fetch=False)}")
        except (ValueError, OSError, EngineError):
            return wrong(
                f"{model} is not here, or not whole",
                "a transcriber fetches it at its first start, if it can reach the model hub; else set MODEL to a folder",
            )
    folder = find_model(model, default_cache())
    if packaged and _sha256(folder / "model.bin") != packaged.sha256:
        return wrong(
            f"{folder} is damaged: its SHA-256 is not the expected one",
            "delete that folder; the next start puts it together again",
        )
    return ok(f"{model} in {folder}")


def _sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def check_storage(setup: Setup) -> Finding:
    """Can recordings be written and deleted?"""
    folder = setup.blob_dir
    if folder is None:
        return _check_bucket()
    if not folder.is_dir():
        if not os.environ.get("BLOB_DIR"):
            return skipped(NOTHING_YET)
        return wrong(
            f"{folder} is not there", "mount the volume, make the folder, or set BLOB_DIR to another one"
        )
    try:
        with tempfile.NamedTemporaryFile(prefix=".doctor-", dir=folder) as file:
            file.write(b"a look")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        return wrong(
            f"{folder} cannot be written to: {error.strerror}", "give its account the right, or make room"
        )
    return ok(f"{folder} can be written to")


def _check_bucket() -> Finding:
    place = os.environ["BLOB_URL"]
    try:
        blobs = open_blobs(read_settings(RecordingSettings))
    except SettingsError:
        return skipped("its settings cannot be used")
    try:
        asyncio.run(_try_out(blobs))
    except OSError as error:
        return wrong(
            f"{place}: {error.strerror}",
            "does the bucket exist, and may this account list, read, write and delete in it?",
        )
    return ok(f"{place} can be written to")


async def _try_out(blobs: Blobs) -> None:
    async with running([blobs]):
        name = f".doctor-{new_id()}"
        await blobs.write(name, b"a look")
        await blobs.delete(name)


def check_disk(setup: Setup, least: int = LEAST_FREE) -> Finding:
    """Is room left where recordings and the database lie? `least` is in bytes."""
    places = {
        "recordings": setup.blob_dir or Path(tempfile.gettempdir())
    }  # where copies of a bucket's blobs lie
    if not os.environ.get("DATABASE_URL"):
        places["database"] = setup.folder.postgres
    free = {what: shutil.disk_usage(_existing(place)).free for what, place in places.items()}
    says = ", ".join(
        f"{bytes_ / 2**30:.1f} GiB free for {what} ({places[what]})" for what, bytes_ in free.items()
    )
    full = [str(places[what]) for what, bytes_ in free.items() if bytes_ < least]
    if full:
        return wrong(says, f"make room on the disk of {' and '.join(full)}: at least {least / 2**30:.0f} GiB")
    return ok(says)


def _existing(place: Path) -> Path:
    """Return a folder, or the nearest one above it that is there."""
    return next(folder for folder in (place, *place.parents) if folder.exists())
