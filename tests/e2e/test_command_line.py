"""The commands about runs: what they print, where, and how they end."""

import asyncio
import itertools
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import orjson
import pytest
import pytest_asyncio

from lingoloop.client import ApiError, Client
from lingoloop.folder import DataFolder
from lingoloop.server import local_token
from lingoloop_common.auth import Tokens
from tests import media
from tests.command_line import run, server
from tests.servers.proxy import Proxy
from tests.waiting import eventually


class Person:
    """Someone at a machine where a server runs, whose engine takes a tenth of the time of what it hears."""

    def __init__(self, data: Path, url: str, client: Client) -> None:
        self.data, self.url, self.client = data, url, client

    async def types(self, *words: str) -> tuple[int, str, str]:
        return await run(*words, "--data", str(self.data))

    async def uploads(self, seconds: float) -> str:
        path = self.data.parent / "talk.wav"
        path.write_bytes(media.wav_of_ms(int(seconds * 1000)))
        return await self.client.upload(path, lambda _: None)

    async def state(self, run_id: str) -> dict[str, Any]:
        [found] = [found async for found in self.client.runs(None, 1000) if found["id"] == run_id]
        return found

    async def waits_for(self, run_id: str, status: str) -> None:
        async def so() -> bool:
            return bool((await self.state(run_id))["status"] == status)

        await eventually(so)


@pytest_asyncio.fixture
async def person(data: Path) -> AsyncIterator[Person]:
    settings = {"ENGINE": "simulated", "SIMULATED_MS_PER_SECOND": "100", "MAX_CONCURRENT_JOBS": "1"}
    async with server(data, **settings) as (_, url), Client(url, local_token(DataFolder(data))) as client:
        yield Person(data, url, client)


async def test_an_upload_goes_on_where_the_line_broke(person: Person) -> None:
    path = person.data.parent / "long.wav"
    path.write_bytes(media.wav_of_size(20_000_000))
    offsets: list[int] = []
    breaks = [6_000_000, 12_000_000]
    async with Proxy(urlsplit(person.url).port or 0) as proxy:

        def on_offset(offset: int) -> None:
            offsets.append(offset)
            if breaks and offset > breaks[0]:
                breaks.pop(0)
                proxy.cut()

        url = f"http://127.0.0.1:{proxy.port}"
        async with Client(url, local_token(DataFolder(person.data))) as client:
            run_id = await client.upload(path, on_offset)
    assert (await person.state(run_id))["id"] == run_id
    begun_at = [after for before, after in itertools.pairwise(offsets) if after < before]
    assert len(begun_at) == 2, "it broke twice"
    assert 0 < begun_at[0] < begun_at[1], "what had come was not sent again"
    assert offsets[-1] == path.stat().st_size


async def test_an_upload_that_is_refused_says_why(person: Person) -> None:
    path = person.data.parent / "letter.txt"
    path.write_text("Dear Ann")
    with pytest.raises(ApiError, match="not a recording"):
        await person.client.upload(path, lambda _: None)


WISHES = {
    ("--language", "multi"): "does not follow a language that changes",
    ("--task", "translate"): "does not translate",
    ("--hotwords", "Ann, Bob"): "takes no hot words",
    ("--channels", "separate"): "does not take channels one by one",
    ("--track", "1"): "takes the first sound track alone",
}


async def test_what_is_wished_for_is_asked_of_the_server_and_a_refusal_says_how_to_choose(
    person: Person,
) -> None:
    path = person.data.parent / "talk.wav"
    path.write_bytes(media.wav_of_ms(2000))
    wishes = [word for wish in WISHES for word in wish]
    code, out, err = await person.types("transcribe", str(path), *wishes)
    assert (code, out) == (1, "")
    assert all(lacks in err for lacks in WISHES.values()), err
    assert "--engine whisper --model base" in err
    code, _, err = await person.types("transcribe", str(path), "--diarize")
    assert code == 1
    assert "does not tell who speaks" in err
    code, _, err = await person.types("transcribe", str(path), "--model", "large")
    assert code == 1
    assert "no worker has ever offered simulated.large" in err
    assert "--engine whisper --model base" in err
    given = ("--language", "de", "--task", "transcribe", "--channels", "mixed", "--track", "0")
    code, _, err = await person.types("transcribe", str(path), *given, "--engine", "simulated")
    assert code == 0, err
    async with httpx.AsyncClient(base_url=person.url) as http:
        headers = {"Authorization": f"Bearer {local_token(DataFolder(person.data))}"}
        [run] = (await http.get("/api/runs", headers=headers)).json()["items"]
    assert (run["status"], run["language"]) == ("succeeded", "de")


@pytest.mark.parametrize(
    "words", [("--task", "summarize"), ("--channels", "left"), ("--track", "-1"), ("--track", "two")]
)
async def test_a_wish_that_nobody_knows_is_wrong_use(data: Path, words: tuple[str, ...]) -> None:
    code, out, err = await run("transcribe", "talk.wav", *words, "--data", str(data))
    assert (code, out) == (2, "")
    assert words[0] in err


async def test_without_a_server_the_engine_that_is_named_is_started(data: Path) -> None:
    path = data.parent / "talk.wav"
    path.write_bytes(media.wav_of_ms(2000))
    code, out, err = await run("transcribe", str(path), "--engine", "simulated", "--data", str(data))
    assert code == 0, err
    assert "simulated 0.0" in out


async def test_runs_are_listed_one_a_line_and_exported_in_each_format(person: Person) -> None:
    first, second = await person.uploads(2), await person.uploads(3)
    for run_id in (first, second):
        await person.waits_for(run_id, "succeeded")
    code, out, err = await person.types("runs")
    assert (code, err) == (0, "")
    assert [line.split("\t") for line in out.splitlines()] == [
        [second, "succeeded", "100%", "0:00:03", "talk.wav"],
        [first, "succeeded", "100%", "0:00:02", "talk.wav"],
    ]
    assert (await person.types("runs", "--limit", "1"))[1].startswith(second)
    assert (await person.types("runs", "--status", "failed"))[:2] == (0, "")
    for fmt, begins in (("txt", "simulated"), ("srt", "1\n00:00:00,000 --> "), ("vtt", "WEBVTT\n")):
        code, out, err = await person.types("export", first, "--format", fmt)
        assert (code, err) == (0, "")
        assert out.startswith(begins)
    code, out, _ = await person.types("export", first, "--format", "json")
    assert orjson.loads(out)["id"] == first


async def test_a_run_is_cancelled_and_tried_again(person: Person) -> None:
    run_id = await person.uploads(400)
    await person.waits_for(run_id, "processing")
    code, out, err = await person.types("cancel", run_id)
    assert (code, err) == (0, "")
    assert out.split("\t")[:2] == [run_id, "failed"]
    code, out, err = await person.types("watch", run_id)
    assert (code, out) == (1, "")
    assert "the run was cancelled" in err
    code, out, err = await person.types("cancel", run_id)
    assert (code, out) == (1, "")
    assert "nothing to cancel" in err
    code, out, _ = await person.types("retry", run_id)
    assert (code, out.split("\t")[:2]) == (0, [run_id, "queued"])
    assert (await person.types("retry", run_id))[0] == 1
    await person.types("cancel", run_id)


async def test_dead_letters_are_listed_and_put_back(person: Person) -> None:
    run_id = await person.uploads(70)
    blob = person.data / "blobs" / "audio"
    [recording] = blob.iterdir()
    recording.rename(person.data.parent / "taken away")
    await person.waits_for(run_id, "failed")
    code, out, err = await person.types("dead-letters", "list")
    assert (code, err) == (0, "")
    letters = [line.split("\t") for line in out.splitlines()]
    assert {(letter[1], letter[3]) for letter in letters} == {(run_id, "audio_missing")}
    assert (await person.types("dead-letters", "list", "--code", "engine_failed"))[1] == ""
    (person.data.parent / "taken away").rename(recording)
    code, out, _ = await person.types("dead-letters", "replay", letters[0][0])
    assert (code, out) == (0, "1\n")
    assert (await person.types("dead-letters", "replay", letters[0][0]))[0] == 1
    if len(letters) > 1:
        assert (await person.types("dead-letters", "replay", "--all"))[:2] == (0, f"{len(letters) - 1}\n")
    await person.waits_for(run_id, "succeeded")


@pytest.mark.parametrize("words", [(), ("--all", "--code", "x"), ("--all", "1")])
async def test_a_replay_must_say_which(words: tuple[str, ...]) -> None:
    code, out, err = await run("dead-letters", "replay", *words)
    assert (code, out) == (2, "")
    assert "say which" in err


async def test_a_key_opens_the_server_until_it_is_revoked(person: Person) -> None:
    code, key, err = await person.types("keys", "create", "--sub", "ann", "--name", "ann's laptop")
    assert code == 0

    async def status() -> int:
        async with httpx.AsyncClient(base_url=person.url) as http:
            answer = await http.get("/api/runs", headers={"Authorization": f"Bearer {key.strip()}"})
        return answer.status_code

    assert await status() == 200
    _, listed, _ = await person.types("keys", "list")
    [columns] = [line.split("\t") for line in listed.splitlines()]
    assert columns[1:] == ["ann", "runs:read runs:write", "valid", "ann's laptop"]
    assert key.strip() not in listed + err
    assert (await person.types("keys", "revoke", columns[0]))[:2] == (0, "")
    assert await status() == 401
    code, _, err = await person.types("keys", "revoke", columns[0])
    assert (code, err.count("\n")) == (1, 1)
    assert "no valid key" in err
    assert "\trevoked " in (await person.types("keys", "list"))[1]


async def test_a_token_is_made_for_the_audience_that_the_services_are_told_of() -> None:
    secret = "a-secret-for-tests-that-is-long-enough-0123456789"
    settings = {"AUTH_JWT_SECRET": secret, "AUTH_AUDIENCE": "lingoloop"}
    code, token, _ = await run("token", "--sub", "ann", **settings)
    assert code == 0
    assert (await Tokens(secret, audience="lingoloop").check(token.strip())).owner == "ann"


@pytest.mark.parametrize("words", [("token",), ("keys", "create")])
async def test_a_scope_that_is_none_is_wrong_use(data: Path, words: tuple[str, ...]) -> None:
    code, out, err = await run(*words, "--sub", "ann", "--scope", "run:read", "--data", str(data))
    assert (code, out) == (2, "")
    assert "runs:read" in err


@pytest.mark.parametrize("words", [("export", "x"), ("cancel", "x"), ("retry", "x"), ("watch", "x")])
async def test_a_run_that_is_not_there_fails_with_its_reason(person: Person, words: tuple[str, ...]) -> None:
    code, out, err = await person.types(*words)
    assert (code, out) == (1, "")
    assert "there is no such run" in err


@pytest.mark.parametrize("words", [("runs",), ("export", "x"), ("cancel", "x"), ("dead-letters", "list")])
async def test_without_a_server_each_command_says_how_to_get_one(data: Path, words: tuple[str, ...]) -> None:
    code, out, err = await run(*words, "--data", str(data))
    assert (code, out) == (1, "")
    assert "lingoloop up" in err


async def test_every_command_explains_itself_with_an_example() -> None:
    top = (await run("--help"))[1]
    names = [line.split()[1] for line in top.splitlines() if line.startswith("│ ") and line[2] not in " -"]
    assert {"transcribe", "watch", "runs", "export", "cancel", "retry", "up", "token", "dead-letters"} <= set(
        names
    )
    texts = await asyncio.gather(*(run(name, "--help") for name in names if name != "worker"))
    for code, out, _ in texts:
        assert code == 0
        assert "Example" in out or "Commands" in out, out


async def test_a_pipe_that_closes_early_is_no_error(person: Person) -> None:
    run_id = await person.uploads(2)
    await person.waits_for(run_id, "succeeded")
    process = await asyncio.create_subprocess_shell(
        f"{sys.executable} -m lingoloop export {run_id} --data {person.data} | head -c 1",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert (out, err) == (b"s", b"")
