"""schemathesis asks a whole gateway for what its description allows and forbids, with all its checks."""

import asyncio
import contextlib
import sys
from pathlib import Path

import pytest

from lingoloop_common.auth import ADMIN, WRITE
from tests.gateway.owned import owned_by
from tests.gateway.tus_client import TusClient
from tests.gateway.world import running_world

CONFIG = """
seed = 1
continue-on-failure = true
hooks = "{hooks}"
request-timeout = 10

[generation]
max-examples = 10
database = "none"

[phases.stateful.generation]
max-examples = 5

# OPTIONS asks for no upload's id; a POST that stands for another method may have headers that only others read.
[[operations]]
include-name = ["OPTIONS /api/uploads/{{upload_id}}", "POST /api/uploads/{{upload_id}}"]
checks.negative_data_rejection.expected-statuses = ["2xx", "4xx"]

# Another version of tus is 412, a body of another kind 415, what does not fit the upload's state 409.
[[operations]]
include-path-regex = "^/api/uploads"
checks.positive_data_acceptance.expected-statuses = ["2xx", "4xx"]
checks.negative_data_rejection.expected-statuses = ["4xx"]
checks.missing_required_header.expected-statuses = ["400", "404", "405", "412", "415"]

[[operations]]
include-name = ["HEAD /api/uploads/{{upload_id}}", "PATCH /api/uploads/{{upload_id}}"]
parameters = {{ "path.upload_id" = "{upload_id}" }}

[[operations]]
include-name = ["POST /api/uploads/{{upload_id}}", "DELETE /api/uploads/{{upload_id}}"]
parameters = {{ "path.upload_id" = "{ended_id}" }}

# A key may stand for another request.
[[operations]]
include-name = ["POST /api/tickets"]
checks.positive_data_acceptance.expected-statuses = ["2xx", "422"]

# A search is for letters or digits, which no pattern says in a way that all dialects read alike.
[[operations]]
include-name = ["GET /api/runs"]
checks.positive_data_acceptance.expected-statuses = ["2xx", "422"]

# Which bytes are a recording, and which lanes there are, no schema can say.
[[operations]]
include-name = ["POST /api/audios", "POST /api/audios/{{audio_id}}/transcribe"]
checks.positive_data_acceptance.expected-statuses = ["2xx", "404", "422"]

[[operations]]
include-name = ["POST /v1/audio/transcriptions"]
checks.positive_data_acceptance.expected-statuses = ["2xx", "400", "404"]

# What there is to be found.
[[operations]]
include-path-regex = "^/api/audios/[^/]+/(content|transcribe|peaks)$"
parameters = {{ "path.audio_id" = "{audio_id}" }}

[[operations]]
include-path-regex = "^/api/runs/[^/]+/(progress|segments|export|speakers|segments/[^/]+)$"
parameters = {{ "path.run_id" = "{run_id}", "path.index" = 0 }}

[[operations]]
include-path-regex = "^/api/webhooks/[^/]+/(secret|rotate|resume|deliveries)$"
parameters = {{ "path.endpoint_id" = "{endpoint_id}" }}

[[operations]]
include-path-regex = "^/api/webhooks/[^/]+/deliveries/"
parameters = {{ "path.endpoint_id" = "{endpoint_id}", "path.delivery_id" = "{delivery_id}" }}

# The same address again is 409, as are too many; a key may stand for another request.
[[operations]]
include-name = ["POST /api/webhooks", "POST /api/webhooks/{{endpoint_id}}/rotate"]
checks.positive_data_acceptance.expected-statuses = ["2xx", "404", "409", "422"]

[[operations]]
include-path = ["/api/docs/{{file}}"]
parameters = {{ "path.file" = "page.css" }}
"""

HOOKS = '''
import schemathesis

schemathesis.serializer.alias("application/offset+octet-stream", "application/octet-stream")

@schemathesis.hook
def filter_case(context, case):
    """`/api/runs/events` is a path of its own, not a run that is called so. What there is to be found stays there."""
    path = case.path_parameters or {}
    gone = case.method == "DELETE" and not {"AUDIO_ID", "ENDPOINT_ID"}.isdisjoint(path.values())
    return path.get("run_id") != "events" and not gone
'''


STREAM = "/api/runs/events"
"""It stays open, and schemathesis waits for the end of each answer."""


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_whatever_is_asked_the_answer_is_one_that_is_described(
    migrated_url: str, own_folder: Path, tmp_path: Path
) -> None:
    async with running_world(
        migrated_url, own_folder, transcribes=False, transcribe_sync_timeout_ms=1
    ) as world:
        owned = await owned_by(world, "ann")
        ended = await TusClient(world, "ann").create(9)
        config, hooks, log = (tmp_path / name for name in ("schemathesis.toml", "hooks.py", "log"))
        hooks.write_text(
            HOOKS.replace("AUDIO_ID", owned["audioId"]).replace("ENDPOINT_ID", owned["endpointId"])
        )
        config.write_text(
            CONFIG.format(
                hooks=hooks,
                audio_id=owned["audioId"],
                run_id=owned["runId"],
                upload_id=owned["uploadId"],
                ended_id=ended.rpartition("/")[2],
                endpoint_id=owned["endpointId"],
                delivery_id=owned["deliveryId"],
            )
        )
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "schemathesis.cli", "--config-file", str(config),
            "run", f"{world.gateway.url}/api/openapi.json",
            "--exclude-path", STREAM,
            "--header", f"Authorization: Bearer {world.token('ann', f'{WRITE} {ADMIN}')}",
            cwd=tmp_path,
            stdout=log.open("wb"),
            stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        try:
            assert await asyncio.wait_for(process.wait(), 240) == 0, log.read_text()
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
