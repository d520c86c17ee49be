"""What comes with the code: known faults are findings, silence is none, and a planted key or an alien licence is seen."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from ops.supply_chain import __main__ as supply_chain
from ops.supply_chain.advisories import Fault, NotAsked, judged, of_npm, of_pip
from ops.supply_chain.licences import Package, page, refused
from ops.supply_chain.licences import of_npm as licences_of_npm
from ops.supply_chain.secrets import found, unexplained

pytestmark = [
    pytest.mark.ops,
    pytest.mark.skipif(not supply_chain.TOOLS.exists(), reason="there is no .venv-ops: make ops-tools"),
]

TODAY = date(2026, 11, 28)
RULES = supply_chain.ACCEPTED["licences"]
FAULT = Fault("urllib3", frozenset({"PYSEC-1", "CVE-2026-1"}), "a.lock")


def entry(**changes: Any) -> dict[str, Any]:
    return {"id": "CVE-2026-1", "package": "urllib3", "reason": "…", "until": TODAY, **changes}


@pytest.mark.parametrize(
    ("faults", "accepted", "lines"),
    [
        ([], [], []),
        ([FAULT], [], ["a.lock: urllib3 has CVE-2026-1, PYSEC-1"]),
        ([FAULT], [entry()], []),
        ([FAULT], [entry(package="aiohttp")], ["accepted, but not found: CVE-2026-1 of aiohttp", str(FAULT)]),
        ([FAULT], [entry(until=date(2026, 11, 27))], ["accepted until 2026-11-27: CVE-2026-1", str(FAULT)]),
        ([], [entry()], ["accepted, but not found: CVE-2026-1 of urllib3"]),
    ],
)
def test_a_known_fault_is_a_finding_until_somebody_accepts_it_and_not_for_ever(
    faults: list[Fault], accepted: list[dict[str, Any]], lines: list[str]
) -> None:
    assert judged(faults, accepted, TODAY) == lines


def test_answers_of_pip_audit_and_npm_are_read() -> None:
    vulnerable = {
        "name": "urllib3",
        "version": "1",
        "vulns": [{"id": "PYSEC-1", "aliases": ["CVE-2026-1"], "fix_versions": []}],
    }
    sound = {"name": "yarl", "version": "1", "vulns": []}
    assert list(of_pip(json.dumps({"dependencies": [vulnerable, sound]}), "a.lock")) == [FAULT]
    via = [{"url": "https://github.com/advisories/GHSA-1", "severity": "high"}, "other"]
    report = {"auditReportVersion": 2, "vulnerabilities": {"tar": {"name": "tar", "via": via}}}
    assert list(of_npm(json.dumps(report), "web")) == [Fault("tar", frozenset({"GHSA-1"}), "web")]


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "no JSON",
        "{}",
        '{"message": "405 Method Not Allowed"}',
        '{"dependencies": [{"name": "yarl", "skip_reason": "not found"}]}',
    ],
)
def test_a_service_that_does_not_know_has_not_said_that_all_is_well(answer: str) -> None:
    with pytest.raises(NotAsked):
        list(of_pip(answer, "a.lock"))
    with pytest.raises(NotAsked):
        list(of_npm(answer, "web"))


@pytest.mark.parametrize(("result", "code"), [(["a fault"], 1), ([], 0), (NotAsked("nobody answers"), 3)])
def test_the_exit_code_tells_findings_from_silence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], result: object, code: int
) -> None:
    def check() -> list[str]:
        if isinstance(result, NotAsked):
            raise result
        assert isinstance(result, list)
        return result

    monkeypatch.setattr(supply_chain, "CHECKS", (("known faults", check),))
    assert supply_chain.main([]) == code
    assert ("NOT KNOWN" in capsys.readouterr().out) == (code == 3)


PLANTED = {
    "tests/test_a.py": "KEY = 'AKIA" + "Z7QF4ESB2XKD9VWM'\n",
    "services/gateway/app.py": "password = 'hunter2-" + "correct-horse-battery'\n",
    "docs/deploy.md": "-----BEGIN RSA " + "PRIVATE KEY-----\nMIIEowIBAAKCAQEAwJ0w5vB2\n",
    "ops/env": "GITHUB_TOKEN=ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8\n",
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_secret_is_found_wherever_it_is(tmp_path: Path, name: str) -> None:
    (tmp_path / name).parent.mkdir(parents=True)
    (tmp_path / name).write_text(PLANTED[name])
    results = found(supply_chain.TOOLS / "detect-secrets", tmp_path, [name])
    assert unexplained(results, supply_chain.ACCEPTED["secret"])


@pytest.mark.slow
def test_there_is_no_secret_in_the_repository() -> None:
    assert supply_chain.secrets_in_files() == []


@pytest.mark.parametrize(
    ("licence", "allowed"),
    [
        ("MIT", True),
        ("MPL-2.0 AND (Apache-2.0 OR MIT)", True),
        ("Apache Software License; BSD License", True),
        ("GPL-3.0-only", False),
        ("GNU General Public License v3 (GPLv3)", False),
        ("AGPL-3.0-or-later", False),
        ("MIT AND GPL-2.0-only", False),
        ("Apache Software License; GNU Affero General Public License v3", False),
        ("UNKNOWN", False),
        ("", False),
    ],
)
def test_a_licence_that_was_not_allowed_is_refused(licence: str, allowed: bool) -> None:
    assert (refused([Package("one", "1", licence)], RULES) == []) == allowed


def test_tools_that_build_the_web_app_are_not_shipped() -> None:
    packages = {
        "": {"name": "web"},
        "app": {"version": "0.1.0"},
        "node_modules/app": {"link": True, "resolved": "app"},
        "node_modules/vite": {"version": "8.0.0", "license": "MIT", "dev": True},
        "node_modules/a/node_modules/@b/c": {"version": "1.0.0", "license": "GPL-3.0-only"},
    }
    assert licences_of_npm(json.dumps({"packages": packages})) == [Package("@b/c", "1.0.0", "GPL-3.0-only")]


def test_what_is_shipped_may_be_and_its_list_is_up_to_date() -> None:
    assert supply_chain.licences_refused() == []
    packages = supply_chain.shipped()
    for path, texts in supply_chain.PAGES.items():
        assert path.read_text() == page(*packages, RULES, texts), "make licences"
