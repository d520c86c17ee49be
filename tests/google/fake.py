"""A Google on loopback: the speech service made of the library's own messages, and an emulator of Cloud Storage."""

import asyncio
import contextlib
import socket
import threading
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

import grpc
from gcp_storage_emulator.server import create_server
from google.cloud import storage  # type: ignore[attr-defined]
from google.cloud.speech_v2.types import cloud_speech
from google.longrunning import operations_pb2
from google.protobuf import empty_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status

BUCKET = "talks"


@dataclass(eq=False)
class FakeOperation:
    """An operation as the service keeps it; the test says how far it is."""

    name: str
    request: Any
    percent: int = 0
    words: Any = None
    """The results, once it has ended."""
    error: status_pb2.Status | None = None
    canceled: bool = False

    @property
    def uri(self) -> str:
        """The object that it is about."""
        return str(self.request.files[0].uri)

    def message(self) -> operations_pb2.Operation:
        """Return what the service says of it."""
        metadata = cloud_speech.OperationMetadata.pb()()
        metadata.batch_recognize_request.CopyFrom(self.request)
        for file in self.request.files:
            metadata.batch_recognize_metadata.transcription_metadata[file.uri].progress_percent = self.percent
        metadata.progress_percent = self.percent
        operation = operations_pb2.Operation(name=self.name)
        operation.metadata.Pack(metadata)
        if self.error is not None:
            operation.done = True
            operation.error.CopyFrom(self.error)
        elif self.words is not None:
            operation.done = True
            answer = cloud_speech.BatchRecognizeResponse.pb()()
            for place, asked in enumerate(self.request.files):
                file = answer.results[asked.uri]
                if self.request.recognition_output_config.HasField("gcs_output_config"):
                    file.cloud_storage_result.uri = self.write_down(place)
                else:
                    assert len(self.request.files) == 1, "Google puts only one file's words into the answer"
                    file.inline_result.transcript.CopyFrom(cloud_speech.BatchRecognizeResults.pb(self.words))
            operation.response.Pack(answer)
        return operation

    def write_down(self, place: int) -> str:
        """Write a file's result to the bucket, as the service does with long ones and with several."""
        folder = self.request.recognition_output_config.gcs_output_config.uri
        uri = f"{folder}/{place}_transcript_6523.json"
        blob = storage.Blob.from_uri(uri, client=storage.Client())
        blob.upload_from_string(cloud_speech.BatchRecognizeResults.to_json(self.words))
        return str(uri)


@dataclass(eq=False)
class FakeGoogle:
    """What the services were asked, and what they answer.

    Attributes:
        failing: by method, errors that the next calls are answered with.
        answer_held, call_held: by method, what a call waits for after, or before, it has done its work.
    """

    endpoint: str = ""
    operations: list[FakeOperation] = field(default_factory=list)
    recognized: list[Any] = field(default_factory=list)
    short_words: Any = field(default_factory=cloud_speech.RecognizeResponse)
    calls: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    failing: defaultdict[str, list[status_pb2.Status]] = field(default_factory=lambda: defaultdict(list))
    answer_held: dict[str, asyncio.Event] = field(default_factory=dict)
    call_held: dict[str, asyncio.Event] = field(default_factory=dict)
    objects: list[bytes] = field(default_factory=list)

    async def find(self, name: str, context: Any) -> FakeOperation:
        """Return an operation by its name, or end the call."""
        for operation in self.operations:
            if operation.name == name:
                return operation
        await context.abort(grpc.StatusCode.NOT_FOUND, "no such operation")
        raise AssertionError  # aborted

    async def batch_recognize(self, request: Any, context: Any) -> operations_pb2.Operation:
        name = f"projects/proj/locations/us/operations/{len(self.operations) + 1}"
        operation = FakeOperation(name, request)
        for file in request.files:
            if (sound := await asyncio.to_thread(_object, file.uri)) is None:
                await context.abort(grpc.StatusCode.NOT_FOUND, f"no object {file.uri}")
                raise AssertionError  # aborted
            self.objects.append(sound)
        self.operations.append(operation)
        return operation.message()

    async def recognize(self, request: Any, _context: Any) -> Any:
        self.recognized.append(request)
        return cloud_speech.RecognizeResponse.pb(self.short_words)

    async def get_operation(self, request: Any, context: Any) -> operations_pb2.Operation:
        operation = await self.find(request.name, context)
        return await asyncio.to_thread(operation.message)

    async def list_operations(self, request: Any, _context: Any) -> operations_pb2.ListOperationsResponse:
        """Two on a page, however many are asked for."""
        at = int(request.page_token or 0)
        page = [operation.message() for operation in self.operations[at : at + 2]]
        token = str(at + 2) if at + 2 < len(self.operations) else ""
        return operations_pb2.ListOperationsResponse(operations=page, next_page_token=token)

    async def cancel_operation(self, request: Any, context: Any) -> empty_pb2.Empty:
        operation = await self.find(request.name, context)
        if operation.message().done:
            await context.abort(grpc.StatusCode.FAILED_PRECONDITION, "it has ended")
        operation.canceled = True
        operation.error = status_pb2.Status(code=code_pb2.CANCELLED, message="cancelled")
        return empty_pb2.Empty()

    def served(self, method: str, serve: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
        """Return a method as the network sees it."""

        async def answer(request: Any, context: Any) -> Any:
            self.calls[method] += 1
            if self.failing[method]:
                await context.abort_with_status(rpc_status.to_status(self.failing[method].pop(0)))
            if method in self.call_held:
                await self.call_held[method].wait()
            done = await serve(request, context)
            if method in self.answer_held:
                await self.answer_held[method].wait()
            return done

        return answer


def status(code: int, message: str, *, retry_after: float | None = None) -> status_pb2.Status:
    """Return an error as Google sends it, with RetryInfo if it says when to come again."""
    error = status_pb2.Status(code=code, message=message)
    if retry_after is not None:
        info = error_details_pb2.RetryInfo()
        info.retry_delay.FromMilliseconds(int(retry_after * 1000))
        error.details.add().Pack(info)
    return error


def _object(uri: str) -> bytes | None:
    blob = storage.Blob.from_uri(uri, client=storage.Client())
    return bytes(blob.download_as_bytes()) if blob.exists() else None


def left_objects() -> list[str]:
    """Return the names of all objects in the bucket."""
    return [blob.name for blob in storage.Client().list_blobs(BUCKET)]


@contextlib.asynccontextmanager
async def serving() -> AsyncIterator[FakeGoogle]:
    """Run the speech service."""
    fake = FakeGoogle()
    speech, longrunning = "google.cloud.speech.v2.Speech", "google.longrunning.Operations"
    batch_request = cloud_speech.BatchRecognizeRequest.pb()
    recognize_request = cloud_speech.RecognizeRequest.pb()
    methods: dict[str, dict[str, tuple[Any, Any]]] = {
        speech: {
            "BatchRecognize": (fake.batch_recognize, batch_request),
            "Recognize": (fake.recognize, recognize_request),
        },
        longrunning: {
            "GetOperation": (fake.get_operation, operations_pb2.GetOperationRequest),
            "ListOperations": (fake.list_operations, operations_pb2.ListOperationsRequest),
            "CancelOperation": (fake.cancel_operation, operations_pb2.CancelOperationRequest),
        },
    }
    server = grpc.aio.server()
    for service, served in methods.items():
        handlers = {
            name: grpc.unary_unary_rpc_method_handler(
                fake.served(name, serve),
                request_deserializer=request.FromString,
                response_serializer=lambda answer: answer.SerializeToString(),
            )
            for name, (serve, request) in served.items()
        }
        server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(service, handlers)])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    fake.endpoint = f"http://127.0.0.1:{port}"
    try:
        yield fake
    finally:
        await server.stop(None)


@dataclass(frozen=True)
class Bucket:
    """Cloud Storage with one bucket, at an address."""

    address: str
    server: Any

    def empty(self) -> None:
        """Delete what is in the bucket."""
        self.server.wipe(keep_buckets=True)


@contextlib.contextmanager
def bucket() -> Iterator[Bucket]:
    """Run Cloud Storage with an empty bucket."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = create_server("127.0.0.1", port, in_memory=True, default_bucket=BUCKET)
    server.start()
    try:
        yield Bucket(f"http://127.0.0.1:{port}", server)
    finally:
        server.stop()


@contextlib.contextmanager
def serving_beside() -> Iterator[FakeGoogle]:
    """Run the speech service in a thread with a loop of its own, for tests that have none."""
    begun: Future[tuple[FakeGoogle, asyncio.AbstractEventLoop, asyncio.Event]] = Future()

    async def serve() -> None:
        stop = asyncio.Event()
        async with serving() as fake:
            begun.set_result((fake, asyncio.get_running_loop(), stop))
            await stop.wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    fake, loop, stop = begun.result(30)
    try:
        yield fake
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
