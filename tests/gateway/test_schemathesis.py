"""schemathesis asks a whole gateway for what its description allows and forbids, with all its checks."""

import asyncio
import contextlib
import sys
from pathlib import Path

import pytest

from lingoloop_common.auth import ADMIN, WRITE
from tests import media
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

# Which bytes are a recording, and which lanes there are, no schema can say.
[[operations]]
include-name = ["POST /api/audios", "POST /api/audios/{{audio_id}}/transcribe"]
checks.positive_data_acceptance.expected-statuses = ["2xx", "404", "422"]

[[operations]]
include-name = ["POST /v1/audio/transcriptions"]
checks.positive_data_acceptance.expected-statuses = ["2xx", "400", "404"]

# What there is to be found.
[[operations]]
include-path-regex = "^/api/audios/[^/]+/(content|transcribe)$"
parameters = {{ "path.audio_id" = "{audio_id}" }}

[[operations]]
include-path-regex = "^/api/runs/[^/]+/(progress|segments|export)$"
parameters = {{ "path.run_id" = "{run_id}" }}

[[operations]]
include-path = ["/api/docs/{{file}}"]
parameters = {{ "path.file" = "page.css" }}
"""

HOOKS = '''
import schemathesis

@schemathesis.hook
def filter_case(context, case):
    """`/api/runs/events` is a path of its own, not a run that is called so."""
    return (case.path_parameters or {}).get("run_id") != "events"
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
        upload = await world.accepted("ann", media.wav_of_ms(61_000))
        config, hooks, log = (tmp_path / name for name in ("schemathesis.toml", "hooks.py", "log"))
        hooks.write_text(HOOKS)
        config.write_text(CONFIG.format(hooks=hooks, audio_id=upload["audioId"], run_id=upload["runId"]))
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
