"""The gateway's settings."""

from pydantic import Field

from lingoloop_common.settings import EngineSettings, RecordingSettings, Settings, WebSettings


class GatewaySettings(Settings, RecordingSettings, WebSettings, EngineSettings):
    """All that a gateway reads from its environment."""

    gateway_host: str = "0.0.0.0"  # noqa: S104  (clients are elsewhere)
    gateway_port: int = Field(3002, ge=0, le=65535)
    ops_port: int = Field(9464, ge=0, le=65535)
    notifier_url: str = "http://127.0.0.1:3003"
    transcribe_sync_max_bytes: int = Field(10_485_760, ge=0)
    transcribe_sync_max_duration_ms: int = Field(60_000, ge=0)
    transcribe_sync_timeout_ms: int = Field(30_000, ge=1)
    tasks_inline_processing: bool = False
    upload_expires_ms: int = Field(86_400_000, ge=1_000)
    event_retention_hours: int = Field(168, ge=1, le=200_000)
    owner_queued_hours: int = Field(1_000, ge=0)
