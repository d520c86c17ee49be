"""The notifier's settings."""

from pydantic import Field

from lingoloop_common.settings import Settings, WebSettings


class NotifierSettings(Settings, WebSettings):
    """All that a notifier reads from its environment."""

    notifier_host: str = "0.0.0.0"  # noqa: S104  (browsers are elsewhere)
    notifier_port: int = Field(3003, ge=0, le=65535)
    ops_port: int = Field(9466, ge=0, le=65535)
