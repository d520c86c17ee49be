"""Where the engine `google` works, by environment."""

from typing import Annotated

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, NoDecode

from lingoloop_common.settings import CONFIG, SettingsError, read_settings
from lingoloop_transcriber.engines import EngineError


class GoogleSettings(BaseSettings):
    """Credentials are Google's own matter: `GOOGLE_APPLICATION_CREDENTIALS`, or the account of the machine."""

    model_config = CONFIG

    google_cloud_project: str = Field(pattern=r"^[a-z0-9][a-z0-9:.-]{0,62}$")
    google_speech_location: str = Field("us", pattern=r"^[a-z0-9-]{1,40}$")
    google_speech_recognizer: str = Field("_", pattern=r"^[a-z0-9_-]{1,63}$")
    google_speech_languages: Annotated[tuple[str, ...], NoDecode] = ()
    google_speech_endpoint: str | None = Field(None, pattern=r"^(http://)?[A-Za-z0-9.-]+(:\d{1,5})?$")
    google_staging_bucket: str | None = Field(None, pattern=r"^[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]$")

    @field_validator("google_speech_languages", mode="before")
    @classmethod
    def _codes(cls, value: object) -> object:
        return (
            tuple(part.strip() for part in value.split(",") if part.strip())
            if isinstance(value, str)
            else value
        )

    @property
    def parent(self) -> str:
        """What operations belong to."""
        return f"projects/{self.google_cloud_project}/locations/{self.google_speech_location}"

    @property
    def recognizer(self) -> str:
        """The recogniser's whole name; `_` is the one that is always there, and knows only what each request says."""
        return f"{self.parent}/recognizers/{self.google_speech_recognizer}"

    @property
    def endpoint(self) -> str:
        """Host and port; each location but `global` has its own."""
        if self.google_speech_endpoint:
            return self.google_speech_endpoint.removeprefix("http://")
        prefix = "" if self.google_speech_location == "global" else f"{self.google_speech_location}-"
        return f"{prefix}speech.googleapis.com"

    @property
    def is_plain(self) -> bool:
        """Whether to speak without encryption and credentials, as to an emulator."""
        return (self.google_speech_endpoint or "").startswith("http://")


def google_settings() -> GoogleSettings:
    """Read them; raise EngineError that names what is wrong."""
    try:
        return read_settings(GoogleSettings)
    except SettingsError as error:
        raise EngineError(str(error)) from error
