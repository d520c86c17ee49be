"""The transcriber's settings."""

import os
from typing import Annotated

from pydantic import Field, field_validator
from pydantic_settings import NoDecode

from lingoloop_common.settings import EngineSettings, OutboundSettings, RecordingSettings, Settings


class TranscriberSettings(Settings, RecordingSettings, EngineSettings, OutboundSettings):
    """All that a transcriber reads from its environment."""

    ops_port: int = Field(9465, ge=0, le=65535)
    max_concurrent_jobs: int | None = Field(None, ge=1, le=256)
    job_timeout_ms: int = Field(1_800_000, ge=1000)
    worker_max_retries: int = Field(3, ge=0, le=20)
    worker_retry_delays: Annotated[tuple[int, ...], NoDecode] = (5_000, 30_000, 120_000)

    @field_validator("worker_retry_delays", mode="before")
    @classmethod
    def _delays(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        parts = [part.strip() for part in value.split(",")]
        if not all(part.isascii() and part.isdecimal() and len(part) < 10 for part in parts):
            raise ValueError("must be milliseconds with commas between, like 5000,30000,120000")
        return [int(part) for part in parts]

    @property
    def slots(self) -> int:
        """Slots of this worker: the cores for a local model, unless said otherwise."""
        return self.max_concurrent_jobs or os.cpu_count() or 1
