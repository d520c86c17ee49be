"""The calls of OpenAI's API."""

from lingoloop_common.auth import READ, WRITE
from lingoloop_gateway.description.openai_shapes import Model, ModelList, TranscriptionJson
from lingoloop_gateway.description.routes import JSON, TEXT, Answer, Route, form_of, json_of
from lingoloop_gateway.openai_options import TranscriptionOptions

ROUTES = (
    Route(
        "POST", "/v1/audio/transcriptions", "Transcribe a recording", "OpenAI", WRITE,
        {
            200: Answer(
                "The transcript as `response_format` says; with `stream` its events.",
                {
                    JSON: TranscriptionJson,
                    "text/plain": TEXT,
                    "application/x-subrip": TEXT,
                    "text/vtt": TEXT,
                    "text/event-stream": TEXT,
                },
                ("Lingoloop-Run-Id",),
            )
        },
        ("unsupported_media_type", "invalid_value", "not_audio", "too_long", "unknown_lane", "unsupported", "run_failed", "storage_full",
         "storage_quota", "queue_quota"),
        says="For OpenAI's own clients: give them this server's `/v1` and a token as the key. However long the recording "
        "is, the answer comes when all of it is transcribed; with `stream` its words come as they are found.",
        body={"multipart/form-data": form_of(TranscriptionOptions, others=True)},
        once=True,
    ),
    Route(
        "GET", "/v1/models", "List models", "OpenAI", READ,
        {200: json_of(ModelList, "The models that a worker has ever offered.")},
    ),
    Route(
        "GET", "/v1/models/{model}", "Look at a model", "OpenAI", READ,
        {200: json_of(Model, "The model.")},
        ("unknown_lane",),
    ),
)  # fmt: skip
