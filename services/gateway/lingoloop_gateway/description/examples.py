"""Examples of bodies and answers; a test holds each against its model."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from lingoloop_common.contracts.webhooks import Message
from lingoloop_gateway.dead_letters import Selection
from lingoloop_gateway.description import openai_shapes, operator_shapes, page_shapes, shapes, webhook_shapes
from lingoloop_gateway.edits import SegmentEdit, SpeakerNames
from lingoloop_gateway.options import AgainOptions, ImportOptions
from lingoloop_gateway.sign_in import LinkCode
from lingoloop_gateway.tickets import Wish
from lingoloop_gateway.webhook_rules import NewEndpoint

AUDIO, RUN, JOB, OTHER = (f"019aa3f2-7c1b-7d40-9a51-3f0c5e2b8a1{digit}" for digit in "0123")
CREATED, ENDED = "2026-11-27T09:00:00.000Z", "2026-11-27T09:00:21.480Z"
SHA256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"

WORDS = [
    {"word": "Good", "start": 0.32, "end": 0.58, "confidence": 0.98},
    {"word": "morning.", "start": 0.58, "end": 1.04, "confidence": 0.97},
]
SEGMENT = {
    "index": 0,
    "start": 0.32,
    "end": 1.04,
    "text": "Good morning.",
    "confidence": 0.97,
    "words": WORDS,
}

METADATA = {"case": "2026-117", "tags": ["board"]}

STATE = {
    "runId": RUN,
    "audioId": AUDIO,
    "status": "processing",
    "progress": 42,
    "timeElapsed": 21480,
    "estimatedTimeRemaining": 29,
    "queuePosition": None,
    "chunksDone": 76,
    "chunksTotal": 181,
    "error": None,
}
DESCRIBED = {
    "id": RUN,
    **STATE,
    "filename": "meeting.m4a",
    "durationMs": 3600000,
    "sizeBytes": 28843111,
    "engine": "whisper",
    "model": "base",
    "language": "en",
    "options": {"diarize": True},
    "speakers": {"A": "Ann"},
    "edited": False,
    "metadata": METADATA,
    "createdAt": CREATED,
    "updatedAt": ENDED,
    "completedAt": None,
}
TAKEN = {"audioId": AUDIO, "runId": RUN, "jobId": JOB, "status": "queued", "queued": True}
RECORDING = {
    "id": AUDIO,
    "filename": "meeting.m4a",
    "contentType": "audio/mp4",
    "sizeBytes": 28843111,
    "durationMs": 3600000,
    "sha256": SHA256,
    "metadata": METADATA,
    "createdAt": CREATED,
    "runs": [{"id": RUN, "status": "processing"}],
}
LETTER = {
    "id": OTHER,
    "runId": RUN,
    "unitId": JOB,
    "kind": "chunk",
    "lane": "whisper.base",
    "owner": "ann",
    "code": "engine_failed",
    "message": "the engine gave up",
    "createdAt": CREATED,
}
WORKER = {
    "id": OTHER,
    "state": "running",
    "engine": "whisper",
    "model": "base",
    "slots": 4,
    "busy": 3,
    "lastSeen": ENDED,
}
SIGNS = {"secret": "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oDmpuvzUpMcgk="}
WEBHOOK = {
    "id": OTHER,
    "url": "https://hooks.example/lingoloop",
    "everyRun": True,
    "createdAt": CREATED,
    "failingSince": None,
    "pausedAt": None,
    "pausedBecause": None,
}
DELIVERY = {
    "id": OTHER,
    "messageId": JOB,
    "runId": RUN,
    "type": "lingoloop.run.done.v1",
    "status": "delivered",
    "tries": 1,
    "statusCode": 204,
    "error": None,
    "createdAt": CREATED,
    "deliveredAt": ENDED,
    "nextTryAt": None,
}
DEPTH = {"ready": 12, "running": 4, "secondsWaiting": 5230}
MODEL = {"id": "whisper-1", "object": "model", "created": 1795770000, "owned_by": "lingoloop"}

EXAMPLES: Mapping[type[BaseModel], Mapping[str, Any]] = {
    ImportOptions: {"url": "https://recordings.example/meeting.m4a", "language": "en"},
    SegmentEdit: {"text": "Good morning!", "speaker": "A"},
    SpeakerNames: {"speakers": {"A": "Ann"}},
    AgainOptions: {"language": "de", "priority": 5},
    Wish: {"path": f"/api/runs/{RUN}/events"},
    Selection: {"code": "engine_failed"},
    NewEndpoint: {"url": WEBHOOK["url"]},
    shapes.Accepted: {
        **{name: TAKEN[name] for name in ("audioId", "runId", "jobId")},
        "status": "succeeded",
        "text": "Good morning.",
        "language": "en",
        "durationMs": 1500,
        "segments": [SEGMENT],
    },
    shapes.Taken: TAKEN,
    shapes.Audio: RECORDING,
    shapes.AudioPage: {"items": [RECORDING], "nextCursor": None},
    shapes.Receipt: {
        "id": OTHER,
        "audioId": AUDIO,
        "owner": "ann",
        "runs": 1,
        "segments": 812,
        "events": 183,
        "sizeBytes": 28843111,
        "sha256": SHA256,
        "deletedAt": ENDED,
    },
    shapes.Ticket: {
        "ticket": "llt_0Jx3Yw8mT1cQmJ0m3sX2vQ5nJd7kq9hZr6aB4cD1eF8",
        "path": f"/api/runs/{RUN}/events",
        "expiresAt": "2026-11-27T21:00:00.000Z",
    },
    shapes.Run: DESCRIBED,
    shapes.RunPage: {"items": [DESCRIBED], "nextCursor": None},
    shapes.Progress: {
        **STATE,
        "audio": {"id": AUDIO, "filename": "meeting.m4a", "durationMs": 3600000, "sizeBytes": 28843111},
        "jobs": [
            {
                "id": JOB,
                "jobType": "transcribe_long",
                "status": "processing",
                "retryCount": 0,
                "createdAt": CREATED,
                "updatedAt": ENDED,
                "errorMessage": None,
            }
        ],
        "createdAt": CREATED,
        "completedAt": None,
    },
    shapes.SegmentPage: {"items": [SEGMENT], "nextCursor": "0"},
    shapes.TranscriptSegment: {
        **SEGMENT,
        "text": "Good morning!",
        "words": [WORDS[0], {**WORDS[1], "word": "morning!"}],
        "speaker": "A",
        "speakerName": "Ann",
        "edited": True,
    },
    shapes.Waveform: {
        "version": 2,
        "channels": 1,
        "sample_rate": 16000,
        "samples_per_pixel": 28800,
        "bits": 8,
        "length": 3,
        "data": [-2, 3, -71, 64, -15, 18],
        "durationMs": 5400,
        "complete": True,
        "pending": False,
    },
    shapes.Transcript: {**DESCRIBED, "segments": [SEGMENT]},
    operator_shapes.Fleet: {
        "message": "1 of 1 workers take work",
        "status": {"isRunning": True, "processingJobs": [JOB], "processingCount": 1},
        "workers": [WORKER],
    },
    operator_shapes.DeadLetterPage: {"items": [LETTER], "nextCursor": None},
    operator_shapes.Replayed: {"replayed": 1, "remaining": 0},
    LinkCode: {"code": "3q2-7wXhWq0v5b0lVq6yC1nJkz8fT4mR9sE2aHdU7gY"},
    page_shapes.PageSettings: {
        "version": "1.0.0",
        "signIn": {
            "oidc": {"authority": "https://login.example", "clientId": "lingoloop", "scope": "openid"},
            "link": False,
        },
        "limits": {"uploadBytes": 10737418240, "audioDurationMs": 86400000},
    },
    page_shapes.SignedIn: {"token": "eyJhbGciOiJIUzI1NiJ9.e30.x", "expiresAt": "2026-12-27T09:00:00.000Z"},
    page_shapes.Me: {
        "owner": "ann",
        "scopes": ["runs:read", "runs:write"],
        "expiresAt": "2026-12-27T09:00:00.000Z",
    },
    page_shapes.EngineList: {
        "default": {"engine": "whisper", "model": "base"},
        "items": [
            {
                "engine": "whisper",
                "model": "base",
                "lane": "whisper.base",
                "languages": ["de", "en", "zh"],
                "can": ["channels", "hotwords", "multi", "track", "translate"],
                "alive": True,
            }
        ],
    },
    operator_shapes.BacklogByLane: {
        "lanes": [{"lane": "whisper.base", **DEPTH, "history": [{"at": CREATED, **DEPTH}]}]
    },
    Message: {
        "type": "lingoloop.run.done.v1",
        "timestamp": ENDED,
        "data": {
            "runId": RUN,
            "audioId": AUDIO,
            "status": "succeeded",
            "progress": 100,
            "timeElapsed": 21480,
            "estimatedTimeRemaining": 0,
            "chunksDone": 181,
            "chunksTotal": 181,
            "metadata": METADATA,
        },
    },
    webhook_shapes.Webhook: WEBHOOK,
    webhook_shapes.NewWebhook: {**WEBHOOK, **SIGNS},
    webhook_shapes.WebhookPage: {"items": [WEBHOOK], "nextCursor": None},
    webhook_shapes.WebhookSecret: SIGNS,
    webhook_shapes.ChangedSecret: {**SIGNS, "oldSecretUntil": "2026-11-28T09:00:00.000Z"},
    webhook_shapes.Delivery: DELIVERY,
    webhook_shapes.DeliveryPage: {"items": [DELIVERY], "nextCursor": None},
    openai_shapes.TranscriptionJson: {"text": "Good morning.", "usage": {"type": "duration", "seconds": 2}},
    openai_shapes.Model: MODEL,
    openai_shapes.ModelList: {"object": "list", "data": [MODEL]},
}
