"""Settings: every wrong value is named, all together, and none is shown."""

from pathlib import Path

import pytest

from lingoloop_common.settings import (
    EngineSettings,
    RecordingSettings,
    Settings,
    SettingsError,
    WebSettings,
    read_settings,
)

SECRET = "s3cr3t-" * 5


class AllSettings(Settings, RecordingSettings, WebSettings, EngineSettings):
    """As a service puts them together."""


RIGHT = {
    "DATABASE_URL": "postgresql://u:pa55@db/lingoloop",
    "BROKER_URL": "amqp://u:pa55@mq/",
    "BLOB_DIR": "/data/blobs",
    "AUTH_JWT_SECRET": SECRET,
}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in AllSettings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in RIGHT.items():
        monkeypatch.setenv(name, value)


def complaint() -> str:
    with pytest.raises(SettingsError) as caught:
        read_settings(AllSettings)
    return str(caught.value)


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DB_POOL_MAX", "7")
    settings = read_settings(AllSettings)
    assert (settings.db_pool_max, settings.blob_dir) == (7, Path("/data/blobs"))
    assert settings.database_url.get_secret_value() == RIGHT["DATABASE_URL"]


def test_given_values_win(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_settings(AllSettings, broker_url="memory://").broker_url.get_secret_value() == "memory://"


def test_settings_cannot_be_changed() -> None:
    settings = read_settings(AllSettings)
    with pytest.raises(ValueError, match="frozen"):
        settings.db_pool_max = 3


def test_an_empty_variable_means_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DB_POOL_MAX", "")
    assert read_settings(AllSettings).db_pool_max == 10


def test_all_wrong_values_are_named_together_and_none_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BLOB_DIR")
    wrong = {
        "DATABASE_URL": "",
        "DB_POOL_MAX": "hunter2",
        "BROKER_URL": "http://u:hunter2@mq",
        "AUTH_JWT_SECRET": "hunter2",
        "LOG_LEVEL": "hunter2",
        "SHUTDOWN_GRACE_MS": "-1",
    }
    for name, value in wrong.items():
        monkeypatch.setenv(name, value)
    text = complaint()
    lines = dict(line.strip().split(": ", 1) for line in text.splitlines()[1:])
    assert set(lines) == {*wrong, "BLOB_DIR"}
    assert lines["BLOB_DIR"] == "is not set, nor is BLOB_URL"
    assert lines["DATABASE_URL"] == "is empty"
    assert lines["BROKER_URL"] == "must be amqp://…, amqps://… or memory://"
    assert lines["AUTH_JWT_SECRET"].startswith("must be at least 32 bytes")
    assert "hunter2" not in text


def test_a_secret_or_an_identity_provider_must_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AUTH_JWT_SECRET")
    monkeypatch.setenv("LOG_LEVEL", "LOUD")
    text = complaint()
    assert "AUTH_JWT_SECRET: is not set, nor is AUTH_JWKS_URL" in text
    assert "LOG_LEVEL" in text
    monkeypatch.delenv("LOG_LEVEL")
    monkeypatch.setenv("AUTH_JWKS_URL", "https://id.example/.well-known/jwks.json")
    assert read_settings(AllSettings).auth_jwt_secret is None


@pytest.mark.parametrize("url", ["id.example", "file:///etc/keys", "https://user:hunter2@id.example/keys"])
def test_an_identity_provider_is_reached_by_http(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("AUTH_JWKS_URL", url)
    text = complaint()
    assert "AUTH_JWKS_URL" in text
    assert url not in text


def test_secrets_do_not_show_in_print() -> None:
    settings = read_settings(AllSettings)
    assert "pa55" not in f"{settings!r} {settings}"
    assert SECRET not in f"{settings!r} {settings}"


@pytest.mark.parametrize(
    ("value", "origins"),
    [
        ("", ()),
        ("*", ("*",)),
        ("https://a.example, https://b.example ,", ("https://a.example", "https://b.example")),
    ],
)
def test_origins_are_a_list_with_commas(
    monkeypatch: pytest.MonkeyPatch, value: str, origins: tuple[str, ...]
) -> None:
    monkeypatch.setenv("CORS_ALLOWED_ORIGINS", value)
    assert read_settings(AllSettings).cors_allowed_origins == origins


@pytest.mark.parametrize("url", ["memory://", "amqp://mq/", "amqps://mq/"])
def test_known_brokers(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("BROKER_URL", url)
    assert read_settings(AllSettings).broker_url.get_secret_value() == url


@pytest.mark.parametrize(
    ("model", "name"),
    [
        (None, None),
        ("base", "base"),
        ("/models/my-whisper", "my-whisper"),
        ("/models/my-whisper/", "my-whisper"),
    ],
)
def test_a_models_folder_is_called_by_its_name(
    monkeypatch: pytest.MonkeyPatch, model: str | None, name: str | None
) -> None:
    assert read_settings(EngineSettings, model=model).model_name == name


def test_a_model_that_cannot_name_a_lane_is_a_wrong_setting() -> None:
    with pytest.raises(SettingsError, match="is not a lane"):
        read_settings(EngineSettings, model="a model")
