"""What an endpoint of webhooks may be: its address and its secret. Pure."""

import base64
import re
import secrets
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from lingoloop_common.outbound import LONGEST_URL, check_url

WEB_ADDRESS: dict[str, Any] = {"format": "uri", "pattern": "^[Hh][Tt][Tt][Pp][Ss]?://"}
"""What an address looks like, for the description."""

SECRET = re.compile(
    r"whsec_(([A-Za-z0-9+/]{4}){8,21}([A-Za-z0-9+/]{2}==)?|([A-Za-z0-9+/]{4}){8,20}[A-Za-z0-9+/]{3}=)"
)
"""24 to 64 bytes in Base64, as Standard Webhooks writes them."""

SECRET_BYTES = 32


def webhook_url(text: str) -> str:
    """Return an address as it will be called, in ASCII; raise ValueError for one that has not the right form."""
    url = str(check_url(text))
    if len(url) > LONGEST_URL:
        raise ValueError(f"may have {LONGEST_URL} characters, those that are not ASCII percent-encoded")
    return url


def _secret(text: str) -> str:
    if not SECRET.fullmatch(text):
        raise ValueError("must be whsec_ and 24 to 64 bytes in Base64")
    return text


def new_secret() -> str:
    """Return a secret that nobody knows."""
    return f"whsec_{base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()}"


WebhookUrl = Annotated[str, AfterValidator(webhook_url), Field(json_schema_extra=WEB_ADDRESS)]


class NewEndpoint(BaseModel):
    """Who is to be told of every run that ends."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    url: WebhookUrl
    """Reachable for everybody."""

    secret: Annotated[str, AfterValidator(_secret)] | None = Field(
        None, json_schema_extra={"pattern": f"^{SECRET.pattern}$"}
    )
    """What signs; made by the server where it is not given."""
