"""What `doctor` looks at, and what it finds there."""

import os
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Self

from lingoloop.database import was_made
from lingoloop.folder import DataFolder
from lingoloop.postgres import running_url
from lingoloop_common.settings import EngineSettings, read_settings

NOTHING_YET = "nothing was made here yet; `lingoloop up` or `lingoloop transcribe` makes it"


class State(StrEnum):
    """How a check ended."""

    OK = "ok"
    WRONG = "WRONG"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found: a line, and lines that say what to do. None holds a password, a token or a secret."""

    state: State
    says: str
    do: tuple[str, ...] = ()


def ok(says: str) -> Finding:
    """Return that all is well."""
    return Finding(State.OK, says)


def wrong(says: str, *do: str) -> Finding:
    """Return what is wrong, and what to do about it."""
    return Finding(State.WRONG, says, do)


def skipped(says: str) -> Finding:
    """Return why there is nothing to look at."""
    return Finding(State.SKIPPED, says)


@dataclass(frozen=True, slots=True)
class Setup:
    """What is looked at: as the environment names it, else as the one-process mode has it in its folder.

    `database_url` is None while no database runs, `server_url` while no server does,
    `blob_dir` where recordings lie in a bucket.
    """

    folder: DataFolder
    database_url: str | None
    broker_url: str
    blob_dir: Path | None
    engine: str
    model: str | None
    server_url: str | None

    @classmethod
    def here(cls, folder: DataFolder) -> Self:
        """Read the environment, and look what runs on the folder."""
        engine = read_settings(EngineSettings)
        server = folder.running_server()
        return cls(
            folder=folder,
            database_url=os.environ.get("DATABASE_URL") or running_url(folder.postgres),
            broker_url=os.environ.get("BROKER_URL") or "memory://",
            blob_dir=folder.blob_dir,
            engine=engine.engine,
            model=engine.model,
            server_url=os.environ.get("LINGOLOOP_URL") or (server.url if server else None),
        )

    @property
    def no_database(self) -> str:
        """Why there is no database to look at."""
        if was_made(self.folder):
            return "does not run now; it does while `lingoloop up` runs"
        return NOTHING_YET
