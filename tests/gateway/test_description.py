"""The description of the API: valid, complete, made of what is in use, and served."""

import json
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from openapi_spec_validator import OpenAPIV31SpecValidator

from lingoloop_common.errors import PROBLEMS, WORK_ERRORS
from lingoloop_gateway import server
from lingoloop_gateway.audios import describe_audio
from lingoloop_gateway.description.document import openapi
from lingoloop_gateway.description.problems import CAUSES, MEANINGS
from lingoloop_gateway.description.table import ROUTES
from lingoloop_gateway.options import UploadOptions
from tests.gateway.contract import Contract
from tests.gateway.world import World, running_world

pytestmark = pytest.mark.asyncio(loop_scope="module")

OPENAPI = openapi(ROUTES, version="1.2.3")


def routes_of(app: web.Application) -> set[str]:
    """Return what a server answers; a HEAD that comes with a GET is part of it."""
    found = {(route.method, route.resource.canonical) for route in app.router.routes() if route.resource}
    return {f"{method} {path}" for method, path in found if not (method == "HEAD" and ("GET", path) in found)}


class TestOpenApi:
    async def test_it_is_valid(self) -> None:
        assert list(OpenAPIV31SpecValidator(OPENAPI).iter_errors()) == []

    async def test_it_is_served_to_everybody(self, idle_world: World) -> None:
        response = await idle_world.http.get("/api/openapi.json")
        assert (response.status_code, response.json()["openapi"]) == (200, "3.1.0")
        assert response.json()["paths"] == json.loads(json.dumps(OPENAPI["paths"]))

    async def test_the_server_has_the_routes_of_the_table_and_no_other(self, idle_world: World) -> None:
        assert routes_of(idle_world.gateway.app) == {route.name for route in ROUTES}

    async def test_a_route_stands_in_the_table_once(self) -> None:
        assert len({route.name for route in ROUTES}) == len(ROUTES)

    async def test_every_code_of_a_problem_is_told_with_its_status(self) -> None:
        assert MEANINGS.keys() == PROBLEMS.keys()
        assert OPENAPI["components"]["schemas"]["Problem"]["properties"]["code"]["enum"] == list(PROBLEMS)
        for code, status in PROBLEMS.items():
            assert f"| `{code}` | {status.value} |" in OPENAPI["info"]["description"]

    async def test_every_cause_of_a_failed_run_is_told(self) -> None:
        assert CAUSES.keys() == WORK_ERRORS.keys()
        for code in CAUSES:
            assert f"| `{code}` |" in OPENAPI["info"]["description"]

    async def test_every_post_that_creates_takes_a_key(self) -> None:
        taking = {route.name for route in ROUTES if route.once}
        assert taking == {
            "POST /api/audios", "POST /api/audios/{audio_id}/transcribe", "POST /api/tickets", "POST /api/uploads",
            "POST /v1/audio/transcriptions", "POST /api/webhooks", "POST /api/webhooks/{endpoint_id}/rotate",
        }  # fmt: skip

    async def test_what_checks_an_upload_describes_it(self) -> None:
        upload = OPENAPI["paths"]["/api/audios"]["post"]
        form = upload["requestBody"]["content"]["multipart/form-data"]["schema"]
        fields = {given.alias or name for name, given in UploadOptions.model_fields.items()}
        in_query = [parameter["name"] for parameter in upload["parameters"] if parameter["in"] == "query"]
        assert set(in_query) == fields
        assert form["properties"].keys() == fields | {"file"}

    async def test_every_body_and_answer_of_a_shape_has_an_example_that_is_one(self) -> None:
        contract = Contract(OPENAPI)
        for path in [*OPENAPI["paths"].values(), *OPENAPI["webhooks"].values()]:
            for operation in path.values():
                for told in [operation.get("requestBody", {}), *operation["responses"].values()]:
                    for media in told.get("content", {}).values():
                        if "$ref" in media["schema"]:
                            assert (
                                contract.wrong(media["schema"], json.dumps(media["example"]).encode()) is None
                            )


class TestContract:
    """The witness in `running_world` sees what handlers answer; here, that it would see a change."""

    RUN = "/api/runs/{run_id}"

    async def disagreement(self, world: World, **changed: Any) -> str | None:
        """Return what is found in a run's answer when a handler changes some of it; None leaves a member out."""
        body = await world.accepted("ann", model="long")
        run = (await world.get("ann", f"/api/runs/{body['runId']}")).json() | changed
        told = json.dumps({name: value for name, value in run.items() if value != "left out"}).encode()
        return self.look(told)

    def look(self, body: bytes, status: int = 200, kind: str = "application/json") -> str | None:
        return Contract(OPENAPI).disagreement("GET", self.RUN, status, {"Content-Type": kind}, body)

    async def test_what_the_handler_answers_agrees(self, idle_world: World) -> None:
        assert await self.disagreement(idle_world) is None

    @pytest.mark.parametrize(("changed", "found"), [
        ({"durationMs": "left out"}, "durationMs"), ({"durationMs": "long"}, "durationMs"), ({"colour": "blue"}, "colour"),
        ({"status": "asleep"}, "status"), ({"createdAt": "yesterday"}, "createdAt"), ({"id": "1"}, "id"),
        ({"error": {"code": "x"}}, "error"),
    ])  # fmt: skip
    async def test_a_change_of_the_handler_is_found(
        self, idle_world: World, changed: dict[str, Any], found: str
    ) -> None:
        assert found in str(await self.disagreement(idle_world, **changed))

    async def test_another_status_media_type_or_code_is_found(self) -> None:
        assert "status 418" in str(self.look(b"{}", status=418))
        assert "text/html" in str(self.look(b"{}", kind="text/html"))
        problem = {
            "type": "about:blank", "title": "Not Found", "status": 404, "detail": "x", "error": "x", "code": "not_found",
        }  # fmt: skip
        kind = "application/problem+json"
        assert self.look(json.dumps(problem).encode(), 404, kind) is None
        assert "code" in str(self.look(json.dumps(problem | {"code": "conflict"}).encode(), 404, kind))
        assert "status" in str(self.look(json.dumps(problem | {"status": 409}).encode(), 404, kind))

    async def test_a_header_that_is_missing_is_found_unless_it_is_one_of_some_answers(self) -> None:
        def look(headers: dict[str, str]) -> str | None:
            return Contract(OPENAPI).disagreement("HEAD", "/api/uploads/{upload_id}", 200, headers, None)

        assert "Tus-Resumable" in str(look({"Upload-Offset": "5"}))
        assert look({"Tus-Resumable": "1.0.0"}) is None

    async def test_a_route_that_is_not_described_is_found(self) -> None:
        assert Contract(OPENAPI).disagreement("PUT", self.RUN, 200, {}, b"") == "it is not described"

    async def test_a_handler_that_changes_fails_the_tests_that_use_it(
        self, migrated_url: str, own_folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def changed(audio: Any) -> dict[str, Any]:
            return {**describe_audio(audio), "path": "/srv/blobs/1"}

        async def a_test() -> None:
            async with running_world(migrated_url, own_folder, transcribes=False) as world:
                body = await world.accepted("ann", model="long")
                await world.get("ann", f"/api/audios/{body['audioId']}")

        monkeypatch.setattr(server, "describe_audio", changed)
        with pytest.raises(AssertionError, match=r"GET /api/audios/{audio_id}: .*path"):
            await a_test()
