"""The transcriber's settings."""

import os

from pydantic import Field

from lingoloop_common.settings import Delays, EngineSettings, OutboundSettings, RecordingSettings, Settings
from lingoloop_transcriber.engines import find_engine

ELSEWHERE = 3
"""Slots for an engine that another machine runs (guide: MAX_CONCURRENT_JOBS)."""


class TranscriberSettings(Settings, RecordingSettings, EngineSettings, OutboundSettings):
    """All that a transcriber reads from its environment."""

    ops_port: int = Field(9465, ge=0, le=65535)
    max_concurrent_jobs: int | None = Field(None, ge=1, le=256)
    poll_interval_ms: int = Field(2_000, ge=100, le=60_000)
    job_timeout_ms: int = Field(1_800_000, ge=1000)
    openai_requests_per_minute: int | None = Field(None, ge=1, le=1_000_000)
    worker_max_retries: int = Field(3, ge=0, le=20)
    worker_retry_delays: Delays = (5_000, 30_000, 120_000)

    @property
    def slots(self) -> int:
        """Slots of this worker: the cores for a local model, three for an engine elsewhere, unless said otherwise.

        Raises:
            EngineError: no installed package provides the engine.
        """
        if self.max_concurrent_jobs is not None:
            return self.max_concurrent_jobs
        return ELSEWHERE if find_engine(self.engine).elsewhere else os.cpu_count() or 1

    @property
    def per_minute(self) -> int | None:
        """How many requests a minute this worker may send to a server that does its engine's work; None: any."""
        return self.openai_requests_per_minute if self.engine == "openai" else None
