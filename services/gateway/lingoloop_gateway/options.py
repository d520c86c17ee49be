"""What an upload may ask for, checked."""

import re
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from lingoloop_common.errors import Problem

LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z]{2,8})*")


class UploadOptions(BaseModel):
    """The fields of an upload, in the query or as form fields."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    filename: str | None = None
    language: str | None = None
    engine: str | None = Field(None, max_length=40)
    model: str | None = Field(None, max_length=80)
    priority: int = Field(0, ge=-100, le=100)

    @field_validator("language")
    @classmethod
    def _known_shape(cls, value: str | None) -> str | None:
        if value and not LANGUAGE.fullmatch(value):
            raise ValueError("a language is a code like en, de or zh")
        return value or None


def read_options(fields: Mapping[str, Any]) -> UploadOptions:
    """Check an upload's fields.

    Raises:
        Problem: `invalid_value`; names each field and what is wrong with it.
    """
    try:
        return UploadOptions.model_validate(dict(fields))
    except ValidationError as error:
        wrong = {
            ".".join(map(str, item["loc"])): item["msg"].removeprefix("Value error, ")
            for item in error.errors(include_input=False, include_url=False)
        }
        text = "; ".join(f"{name}: {message}" for name, message in wrong.items())
        raise Problem("invalid_value", text, fields=wrong) from None
