"""A world whose engine needs the sound, so that recordings are decoded."""

import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.gateway import loudness
from tests.gateway.world import World, running_world


@contextlib.asynccontextmanager
async def listening_world(
    database_url: str, temporary: pytest.TempPathFactory, **settings: Any
) -> AsyncIterator[World]:
    """Run everything with the engine `loudness`."""
    engines, here = temporary.mktemp("engines"), Path(__file__).parents[2]
    loudness.install(engines)
    with pytest.MonkeyPatch.context() as patch:
        paths = [str(engines), str(here), os.environ.get("PYTHONPATH", "")]
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, paths)))
        async with running_world(
            database_url, temporary.mktemp("blobs"), engine="loudness", **settings
        ) as world:
            yield world
