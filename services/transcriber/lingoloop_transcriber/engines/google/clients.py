"""Google's own clients of Speech-to-Text, at the endpoint that the settings name."""

import grpc
from google.api_core.client_options import ClientOptions
from google.cloud.speech_v2 import SpeechAsyncClient, SpeechClient
from google.cloud.speech_v2.services.speech.transports import (
    SpeechGrpcAsyncIOTransport,
    SpeechGrpcTransport,
)

from lingoloop_transcriber.engines.google.settings import GoogleSettings

PLAIN = [("grpc.max_receive_message_length", -1)]
"""As Google's clients set it themselves."""


def speech_client(settings: GoogleSettings) -> SpeechClient:
    """Return a client that blocks; raise GoogleAuthError where there are no credentials."""
    if settings.is_plain:
        channel = grpc.insecure_channel(settings.endpoint, options=PLAIN)
        return SpeechClient(transport=SpeechGrpcTransport(channel=channel))
    return SpeechClient(client_options=ClientOptions(api_endpoint=settings.endpoint))


def speech_async_client(settings: GoogleSettings) -> SpeechAsyncClient:
    """Return a client for the running event loop; raise GoogleAuthError where there are no credentials."""
    if settings.is_plain:
        channel = grpc.aio.insecure_channel(settings.endpoint, options=PLAIN)
        return SpeechAsyncClient(transport=SpeechGrpcAsyncIOTransport(channel=channel))
    return SpeechAsyncClient(client_options=ClientOptions(api_endpoint=settings.endpoint))
