"""Migrations let the version before them work on: a linter's rules, for those that are not released yet or come next."""

import json
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.ops

ROOT = Path(__file__).parents[2]
MIGRATIONS = ROOT / "libs/common/lingoloop_common/store/migrations"

FIRST = 22
"""Those before were made before anything was released, and never change any more."""

LEFT_OUT = {
    "prefer-bigint-over-int": "numbers of days, chunks and tries stay small",
    "require-lock-timeout": "migrate.py sets it",
    "require-statement-timeout": "migrate.py sets the time for locks, and the rules leave nothing that is long",
}
"""Rules of the linter, and why they do not hold here."""


def findings(*files: Path) -> list[str]:
    """Lint migrations as they are applied: on PostgreSQL 15, each in a transaction. One line a finding.

    What has to be is said in the file: `-- squawk-ignore RULE`, and why.
    """
    how = [
        "--pg-version=15.0",
        "--assume-in-transaction",
        "--reporter=json",
        f"--exclude={','.join(LEFT_OUT)}",
    ]
    command = [str(ROOT / ".venv-ops/bin/squawk"), *how, *(str(file) for file in files)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode in (0, 1), ended.stderr
    return [f"{Path(one['file']).name}: {one['rule_name']}" for one in json.loads(ended.stdout or "[]")]


def test_each_new_migration_lets_the_version_before_it_work_on() -> None:
    files = [file for file in sorted(MIGRATIONS.glob("*.sql")) if int(file.name[:4]) >= FIRST]
    assert files
    assert findings(*files) == []


@pytest.mark.parametrize(
    ("statement", "rule"),
    [
        ("ALTER TABLE job DROP COLUMN error_message", "ban-drop-column"),
        ("DROP TABLE job", "ban-drop-table"),
        ("ALTER TABLE job RENAME COLUMN error_message TO reason", "renaming-column"),
        ("ALTER TABLE job RENAME TO work", "renaming-table"),
        ("ALTER TABLE job ALTER COLUMN retry_count TYPE bigint", "changing-column-type"),
        ("ALTER TABLE job ADD COLUMN kind text NOT NULL", "adding-required-field"),
        (
            "ALTER TABLE job ADD COLUMN made timestamptz DEFAULT clock_timestamp()",
            "adding-field-with-default",
        ),
        ("ALTER TABLE job ALTER COLUMN error_message SET NOT NULL", "adding-not-nullable-field"),
        ("ALTER TABLE job ADD CHECK (retry_count < 9)", "constraint-missing-not-valid"),
        ("CREATE INDEX idx_job_kind ON job (kind)", "require-concurrent-index-creation"),
    ],
)
def test_what_would_stop_the_version_before_is_found(statement: str, rule: str, tmp_path: Path) -> None:
    file = tmp_path / "0099_wrong.sql"
    file.write_text(statement + ";\n")
    assert f"0099_wrong.sql: {rule}" in findings(file)


def test_what_adds_is_let_through(tmp_path: Path) -> None:
    file = tmp_path / "0099_right.sql"
    file.write_text(
        "CREATE TABLE note (id uuid PRIMARY KEY, text text NOT NULL);\n"
        "CREATE INDEX idx_note_text ON note (text);\n"
        "ALTER TABLE job ADD COLUMN kind text, ADD COLUMN more boolean NOT NULL DEFAULT false;\n"
    )
    assert findings(file) == []
