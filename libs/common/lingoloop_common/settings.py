"""Settings by environment, read once at start; every wrong value is named together.

A service's own settings class is put together from the parts here, so that a name means the same everywhere.
"""

import os
from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Literal, Self, TypeAlias, TypeVar

from pydantic import (
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from lingoloop_common.contracts.units import lane_name

LogFormat = Literal["auto", "console", "json"]
Network: TypeAlias = IPv4Network | IPv6Network
S = TypeVar("S", bound=BaseSettings)


class SettingsError(Exception):
    """Settings that cannot be used; the text names each variable and what is wrong with it."""


CONFIG = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)
"""The same for each part: put together, they must agree."""


class Settings(BaseSettings):
    """What every service needs."""

    model_config = CONFIG

    database_url: SecretStr
    db_pool_max: int = Field(10, ge=2, le=500)
    broker_url: SecretStr
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: LogFormat = "auto"
    ops_host: str = "0.0.0.0"  # noqa: S104  (probes and scrapes come from other hosts)
    startup_timeout_ms: int = Field(60_000, ge=1)
    shutdown_grace_ms: int = Field(30_000, ge=0)

    @field_validator("broker_url")
    @classmethod
    def _known_broker(cls, value: SecretStr) -> SecretStr:
        url = value.get_secret_value()
        if url != "memory://" and not url.startswith(("amqp://", "amqps://")):
            raise ValueError("must be amqp://…, amqps://… or memory://")
        return value


def _milliseconds(value: object) -> object:
    if not isinstance(value, str):
        return value
    parts = [part.strip() for part in value.split(",")]
    if not all(part.isascii() and part.isdecimal() and len(part) < 10 for part in parts):
        raise ValueError("must be milliseconds with commas between, like 5000,30000,120000")
    return tuple(int(part) for part in parts)


Delays = Annotated[tuple[int, ...], NoDecode, BeforeValidator(_milliseconds)]
"""Milliseconds before the first, second, … retry."""


class RecordingSettings(BaseSettings):
    """Where recordings and chunks lie, how large and how long one may be, and how large an owner's may be together."""

    model_config = CONFIG

    blob_url: str | None = Field(None, pattern=r"^(gs|s3)://[^/?#@\s]+(/[^?#\s]*)?$")
    s3_endpoint_url: str | None = Field(None, pattern=r"^https?://[^/@\s]+/?$")
    blob_dir: Path | None = Field(None, validate_default=True)
    max_upload_bytes: int = Field(10 * 2**30, ge=1)
    max_audio_duration_ms: int = Field(24 * 3_600_000, ge=1)
    owner_storage_bytes: int = Field(2**40, ge=0)

    @field_validator("blob_dir")
    @classmethod
    def _one_place(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        if "blob_url" in info.data and (value is None) == (info.data["blob_url"] is None):
            raise ValueError(
                "is not set, nor is BLOB_URL" if value is None else "cannot be set beside BLOB_URL"
            )
        return value


class OutboundSettings(BaseSettings):
    """How far calls reach to addresses that clients name."""

    model_config = CONFIG

    allow_private_addresses: bool = False


class WebSettings(BaseSettings):
    """Who may call, from which pages, and how fresh what they are told about the rest of the fleet is."""

    model_config = CONFIG

    auth_jwks_url: str | None = Field(None, pattern=r"^https?://[^/@\s]+(/\S*)?$")
    auth_jwt_secret: SecretStr | None = Field(None, validate_default=True)
    auth_audience: str | None = None
    auth_issuer: str | None = None
    rate_limit_per_owner: int = Field(6_000, ge=0)
    rate_limit_per_address: int = Field(30_000, ge=0)
    trusted_proxies: Annotated[tuple[Network, ...], NoDecode] = ()
    poll_interval_ms: int = Field(2_000, ge=100, le=60_000)
    cors_allowed_origins: Annotated[tuple[str, ...], NoDecode] = ()

    @field_validator("cors_allowed_origins", mode="before")
    @classmethod
    def _origins(cls, value: object) -> object:
        return (
            tuple(part.strip() for part in value.split(",") if part.strip())
            if isinstance(value, str)
            else value
        )

    @field_validator("trusted_proxies", mode="before")
    @classmethod
    def _networks(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        try:
            return tuple(ip_network(part.strip()) for part in value.split(",") if part.strip())
        except ValueError as error:
            raise ValueError(f"must be addresses or networks like 10.0.0.0/8, with commas: {error}") from None

    @field_validator("auth_jwt_secret")
    @classmethod
    def _long_enough(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if value is None:
            if info.data.get("auth_jwks_url") is None:
                raise ValueError("is not set, nor is AUTH_JWKS_URL; make a secret with: openssl rand -hex 32")
            return None
        if len(value.get_secret_value().encode()) < 32:  # RFC 7518, section 3.2
            raise ValueError("must be at least 32 bytes; make one with: openssl rand -hex 32")
        return value


class EngineSettings(BaseSettings):
    """The engine that uploads get when they name none, and that a transcriber runs."""

    model_config = CONFIG

    engine: str = "whisper"
    model: str | None = None

    @model_validator(mode="after")
    def _names_a_lane(self) -> Self:
        lane_name(self.engine, self.model_name)
        return self

    @property
    def model_name(self) -> str | None:
        """What uploads and the lane call the model: of a folder, the last part of its path."""
        return Path(self.model).name if self.model else None


def read_settings(cls: type[S], **given: object) -> S:
    """Read a settings class from the environment; `given` values win.

    Raises:
        SettingsError: values are missing or wrong; all of them are named, none is shown.
    """
    try:
        return cls(**given)  # type: ignore[arg-type]
    except ValidationError as error:
        raise SettingsError("\n".join(_lines(error))) from None


def _lines(error: ValidationError) -> Iterable[str]:
    yield "These settings cannot be used:"
    for item in error.errors(include_input=False, include_url=False):
        name = "_".join(str(part) for part in item["loc"]).upper()
        message = item["msg"].removeprefix("Value error, ")
        if item["type"] == "missing":
            message = "is not set" if name not in os.environ else "is empty"
        yield f"  {name}: {message}" if name else f"  {message}"
