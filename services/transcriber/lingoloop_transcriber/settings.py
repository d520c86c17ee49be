"""The transcriber's settings."""

import os

from pydantic import Field

from lingoloop_common.settings import Delays, EngineSettings, OutboundSettings, RecordingSettings, Settings


class TranscriberSettings(Settings, RecordingSettings, EngineSettings, OutboundSettings):
    """All that a transcriber reads from its environment."""

    ops_port: int = Field(9465, ge=0, le=65535)
    max_concurrent_jobs: int | None = Field(None, ge=1, le=256)
    job_timeout_ms: int = Field(1_800_000, ge=1000)
    worker_max_retries: int = Field(3, ge=0, le=20)
    worker_retry_delays: Delays = (5_000, 30_000, 120_000)

    @property
    def slots(self) -> int:
        """Slots of this worker: the cores for a local model, unless said otherwise."""
        return self.max_concurrent_jobs or os.cpu_count() or 1
