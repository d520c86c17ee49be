"""The notifier's settings."""

from pydantic import Field

from lingoloop_common.settings import Delays, OutboundSettings, Settings, WebSettings


class NotifierSettings(Settings, WebSettings, OutboundSettings):
    """All that a notifier reads from its environment."""

    notifier_host: str = "0.0.0.0"  # noqa: S104  (browsers are elsewhere)
    notifier_port: int = Field(3003, ge=0, le=65535)
    webhook_retry_delays: Delays = (5_000, 300_000, 1_800_000, 7_200_000, 18_000_000, 36_000_000)
    ops_port: int = Field(9466, ge=0, le=65535)
