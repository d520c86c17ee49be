"""Batch recognition: a file in a bucket becomes an operation at Google, which is looked at until it has ended."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from itertools import chain
from pathlib import Path
from typing import Any
from uuid import UUID

from google.api_core.exceptions import BadRequest, NotFound
from google.auth.exceptions import GoogleAuthError
from google.cloud.speech_v2 import SpeechAsyncClient
from google.cloud.speech_v2.types import cloud_speech
from google.longrunning import operations_pb2
from google.protobuf.json_format import ParseError

from lingoloop_common.contracts.engines import Wishes
from lingoloop_transcriber.engines import EngineError, Look, OperationFailed
from lingoloop_transcriber.engines.google.clients import speech_async_client
from lingoloop_transcriber.engines.google.errors import error_of_status, translated
from lingoloop_transcriber.engines.google.recognition import (
    SHORTEST,
    model_name,
    model_of,
    recognition_config,
)
from lingoloop_transcriber.engines.google.settings import google_settings
from lingoloop_transcriber.engines.google.staging import Staging
from lingoloop_transcriber.engines.google.words import language_in, segments_of

MARGIN = 30.0
"""Seconds below a model's limit at which recordings are cut."""

INLINE_MOST = 32 * 2**20
"""Bytes of FLAC, about half an hour, whose words come with the operation; those of more are written to the bucket."""

CALL_TIMEOUT = 30.0
PAGE, PAGES = 100, 20
"""Operations that a list is given at a time, and how often."""


class Batch:
    """Google's batches. `folder` is where the fleet's storage lets Google read, if it does."""

    shortest = SHORTEST

    def __init__(self, model: str | None, folder: str | None) -> None:
        self._settings = google_settings()
        self._model = model_name(model)
        self.longest = model_of(self._model).longest - MARGIN
        if self._settings.google_staging_bucket:
            folder = f"gs://{self._settings.google_staging_bucket}/lingoloop"
        if folder is None:
            raise EngineError(
                "the engine google reads recordings from Cloud Storage, and this storage is elsewhere:"
                " set GOOGLE_STAGING_BUCKET to a bucket for what it is to hear, or keep recordings in one"
            )
        self._staging = Staging(folder)
        self._client: SpeechAsyncClient
        self._open = AsyncExitStack()

    async def start(self) -> None:
        """Make the clients, in the event loop that they are used in."""
        try:
            self._staging.open()
            self._open.callback(self._staging.close)
            self._client = speech_async_client(self._settings)
            self._open.push_async_callback(self._client.transport.close)
        except GoogleAuthError as error:
            raise EngineError(f"there are no credentials for Google: {error}") from error

    async def stop(self) -> None:
        """Close them."""
        await self._open.aclose()

    async def begin(self, key: UUID, sounds: Sequence[Path], wishes: Wishes) -> str:
        """Bring files up and begin an operation on them."""
        config = recognition_config(self._model, wishes, self._settings.google_speech_languages, raw=False)
        uris = [self._sound(key, place) for place in range(len(sounds))]
        sizes = [await self._staging.upload(*pair) for pair in zip(sounds, uris, strict=True)]
        if len(sizes) == 1 and sizes[0] <= INLINE_MOST:
            output = cloud_speech.RecognitionOutputConfig(
                inline_response_config=cloud_speech.InlineOutputConfig()
            )
        else:
            output = cloud_speech.RecognitionOutputConfig(
                gcs_output_config=cloud_speech.GcsOutputConfig(uri=self._staging.uri(f"{key}/result"))
            )
        request = cloud_speech.BatchRecognizeRequest(
            recognizer=self._settings.recognizer,
            config=config,
            files=[cloud_speech.BatchRecognizeFileMetadata(uri=uri) for uri in uris],
            recognition_output_config=output,
        )
        with translated():
            # Never repeated by the client: what is begun twice is paid twice.
            begun = await self._client.batch_recognize(request, retry=None, timeout=CALL_TIMEOUT)
        return str(begun.operation.name)

    async def find(self, key: UUID) -> list[str]:
        """Return the names of operations on the key's files, which no other has."""
        uri = self._sound(key, 0)
        return [operation.name async for operation in self._operations() if uri in _uris(operation)]

    async def look(self, name: str) -> Look:
        """Ask how far it is; of one that has ended, bring the words."""
        with translated():
            try:
                operation = await self._client.get_operation(
                    operations_pb2.GetOperationRequest(name=name), timeout=CALL_TIMEOUT
                )
            except NotFound:
                raise OperationFailed(EngineError("Google does not know the operation any more")) from None
        if not operation.done:
            return Look(_progress(operation))
        if operation.HasField("error"):
            raise OperationFailed(error_of_status(operation.error))
        return await asyncio.to_thread(_heard, await self._results(operation))

    async def cancel(self, name: str) -> None:
        """Cancel it; Google refuses that for one that has ended."""
        with translated():
            try:
                await self._client.cancel_operation(
                    operations_pb2.CancelOperationRequest(name=name), timeout=CALL_TIMEOUT
                )
            except (NotFound, BadRequest):
                return

    async def forget(self, key: UUID) -> None:
        """Remove the file, and the result if that was written beside it."""
        await self._staging.remove_below(self._staging.uri(str(key)))

    def _sound(self, key: UUID, place: int) -> str:
        return self._staging.uri(f"{key}/{place}.flac")

    async def _operations(self) -> AsyncIterator[operations_pb2.Operation]:
        request = operations_pb2.ListOperationsRequest(name=self._settings.parent, page_size=PAGE)
        for _ in range(PAGES):
            with translated():
                page = await self._client.list_operations(request, timeout=CALL_TIMEOUT)
            for operation in page.operations:
                yield operation
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    async def _results(self, operation: operations_pb2.Operation) -> list[Any]:
        """Return each file's results, in the order in which the files were named."""
        answer = cloud_speech.BatchRecognizeResponse.pb()()
        operation.response.Unpack(answer)
        results = []
        for uri in _uris(operation) or sorted(answer.results):
            if uri not in answer.results:
                raise OperationFailed(EngineError("Google's answer is not about this recording"))
            file = answer.results[uri]
            if file.error.code:
                raise OperationFailed(error_of_status(file.error))
            if file.cloud_storage_result.uri:
                text = await self._staging.read(file.cloud_storage_result.uri)
                results.append(await asyncio.to_thread(_results_in, text))
            else:
                results.append(file.inline_result.transcript.results)
        if not results:
            raise OperationFailed(EngineError("Google's answer is empty"))
        return results


def _progress(operation: operations_pb2.Operation) -> float:
    """Return how much is done, from 0 to 1: of all files, since they are equally long."""
    metadata, uris = _metadata(operation), _uris(operation)
    files = metadata.batch_recognize_metadata.transcription_metadata
    if not uris or not any(uri in files for uri in uris):
        return float(metadata.progress_percent) / 100
    return float(sum(files[uri].progress_percent for uri in uris if uri in files)) / len(uris) / 100


def _uris(operation: operations_pb2.Operation) -> list[str]:
    """Return the files that an operation was begun on."""
    return [file.uri for file in _metadata(operation).batch_recognize_request.files]


def _heard(files: Sequence[Any]) -> Look:
    """Return what is said in files, by their results."""
    return Look(1.0, [segments_of(file) for file in files], language_in(chain.from_iterable(files)))


def _results_in(text: bytes) -> Any:
    try:
        results = cloud_speech.BatchRecognizeResults.from_json(text, ignore_unknown_fields=True)
    except (ParseError, ValueError):
        raise OperationFailed(EngineError("Google's result cannot be read")) from None
    return cloud_speech.BatchRecognizeResults.pb(results).results


def _metadata(operation: operations_pb2.Operation) -> Any:
    """Return what Google says of an operation beside its end, as protobuf's plain message; empty of one of another kind."""
    metadata = cloud_speech.OperationMetadata.pb()()
    operation.metadata.Unpack(metadata)
    return metadata
