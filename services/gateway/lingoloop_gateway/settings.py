"""The gateway's settings."""

from pydantic import Field, ValidationInfo, field_validator

from lingoloop_common.settings import EngineSettings, RecordingSettings, Settings, WebSettings

LOOPBACK = r"(localhost|127\.0\.0\.1|\[::1\])(:\d+)?"
"""The only host with which signing in needs no encryption."""


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
    retention_days: int = Field(0, ge=0, le=36_500)
    owner_queued_hours: int = Field(1_000, ge=0)
    web_oidc_authority: str | None = Field(
        None, pattern=rf"^(https://[A-Za-z0-9.:-]+|http://{LOOPBACK})(/[^?#\s]*)?$"
    )
    web_oidc_client_id: str | None = Field(None, validate_default=True)
    web_oidc_scope: str = "openid"

    @field_validator("web_oidc_authority")
    @classmethod
    def _its_tokens_count(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value and info.data.get("auth_jwks_url", "wrong by itself") is None:
            raise ValueError("is set, but AUTH_JWKS_URL is not: its tokens would not count")
        return value

    @field_validator("web_oidc_client_id")
    @classmethod
    def _both_or_neither(cls, value: str | None, info: ValidationInfo) -> str | None:
        if "web_oidc_authority" in info.data and (value is None) != (info.data["web_oidc_authority"] is None):
            raise ValueError(
                "is not set, but WEB_OIDC_AUTHORITY is"
                if value is None
                else "is set, but WEB_OIDC_AUTHORITY is not"
            )
        return value
