# Everything here needs only GNU make and Python 3.11 or newer with pip and venv; the web app needs Node 20.19 or newer, too, and
# `make lock` needs uv.

PYTHON ?= python3
FILE ?= examples/talk.ogg
PREFIX ?= /opt/lingoloop

BIN := .venv/bin
OPS := .venv-ops/bin
PACKAGES := libs/common services/gateway services/transcriber services/notifier libs/lingoloop libs/voices
OURS = $(shell sed -n 's/^name = "\(.*\)"/\1/p' $(PACKAGES:%=%/pyproject.toml))
IMAGES := gateway notifier transcriber transcriber-model lingoloop
VERSION = $(shell sed -n 's/^version = "\(.*\)"/\1/p' libs/lingoloop/pyproject.toml)
BUILDER ?= $(firstword $(foreach program,docker podman buildah,$(if $(shell command -v $(program)),$(program))))
STAMP := .venv/.done
APP := services/gateway/lingoloop_gateway/static/app/index.html
WEB = $(shell find web \( -name node_modules -o -name dist -o -name e2e \) -prune -o -type f -print)
CODE = $(wildcard libs services tests bench ops examples/engine)

.DEFAULT_GOAL := help
.PHONY: help setup install demo up web screenshots test test-all test-servers ops-check ops-test ops-tools audit licences check fmt lock bench chaos clean dashboards images sbom env cluster-rules

help: ## print this list
	@sed -nE 's/^([a-z-]+):.*## (.*)/\1\t\2/p' Makefile | while IFS="$$(printf '\t')" read -r name what; do \
	  printf '%-14s%s\n' "$$name" "$$what"; done

setup: $(STAMP) ## make .venv with all packages, as pinned

$(STAMP): requirements.lock $(PACKAGES:%=%/pyproject.toml)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo \
	  "LingoLoop needs Python 3.11 or newer, $(PYTHON) is $$($(PYTHON) -V 2>&1). Name another: make setup PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo \
	  "$(PYTHON) cannot make virtual environments. On Debian or Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation \
	  --config-settings editable_mode=compat $(PACKAGES:%=-e %)
	$(BIN)/python -m pip check
	@touch $@

install: ## install all of it for systemd's units: make install PREFIX=/opt/lingoloop
	$(PYTHON) -m venv $(PREFIX)
	$(PREFIX)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r ops/systemd/install.lock
	$(PREFIX)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation $(PACKAGES:%=./%)
	$(PREFIX)/bin/python -m pip check

demo: setup ## transcribe a recording: make demo FILE=talk.mp3
	$(BIN)/lingoloop transcribe --force $(FILE)

up: setup ## the whole system in one process, with the web app where it can be built
	@$(MAKE) --no-print-directory web || echo "The web app cannot be built; all else runs without it." >&2
	$(BIN)/lingoloop up

web: ## build the web app, if it is not up to date
	@if node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 19) ? 0 : 1)' 2>/dev/null; \
	then $(MAKE) --no-print-directory $(APP); \
	else echo "The web app is not built: it needs Node 20.19 or newer (https://nodejs.org). All else runs without it." >&2; fi

$(APP): $(WEB)
	cd web && npm ci --no-audit --no-fund && npm run build
	@touch $@

test: setup test-servers ## the tests, without the slow ones and those of the operators' files
	$(BIN)/pytest -n 2 -m "not slow and not ops"

test-all: setup test-servers ops-tools ## all tests; the simulation, which measures waits, has the machine to itself
	$(BIN)/pytest -n 2 --ignore tests/simulation
	$(BIN)/pytest tests/simulation

ops-check: setup test-servers ops-tools ## the quick tests of the operators' files: images, compose, Kubernetes, alerts, dashboards
	$(BIN)/pytest -n 2 -m "ops and not slow"

ops-test: setup test-servers ops-tools ## all tests of the operators' files, with their drills
	$(BIN)/pytest -n 2 -m ops

test-servers: ## install what the tests need from the system
	tests/servers/install.sh

ops-tools: .venv-ops/.done ## install what the tests of the operators' files need besides
	tests/ops/install.sh

cluster-rules: setup ## make Kubernetes' alerts of Prometheus's: k8s/components/monitoring/rules.yaml
	$(BIN)/python k8s/components/monitoring/rules.py

audit: setup ops-tools ## what comes with the code: known faults, secrets in files, licences
	$(BIN)/python -m ops.supply_chain

licences: setup ops-tools ## write docs/operations/licences.md and .zh.md again
	$(BIN)/python -m ops.supply_chain licences

.venv-ops/.done: ops/tools.lock
	$(PYTHON) -m venv .venv-ops
	$(OPS)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r ops/tools.lock
	@touch $@

check: setup ## lint, format, types, import rules, dead code, dependencies
	$(BIN)/ruff check $(CODE)
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/mypy $(CODE)
	$(BIN)/lint-imports
	$(BIN)/vulture $(CODE)
	@for package in $(PACKAGES) examples/engine; do (set -x; cd $$package && $(abspath $(BIN))/deptry .) || exit 1; done

env: ## make the secrets of docker-compose.yml, in .env; those that are there stay
	ops/env.sh

images: ## build all images, with docker, podman or buildah
	@[ -n "$(BUILDER)" ] || { echo "Building images needs docker, podman or buildah." >&2; exit 1; }
	@for image in $(IMAGES); do (set -x; $(BUILDER) build --target $$image --tag lingoloop/$$image:$(VERSION) \
	  --build-arg VERSION=$(VERSION) --build-arg REVISION=$$(git rev-parse HEAD) .) || exit 1; done

sbom: ops-tools ## what each image is made of (CycloneDX), in build/sbom
	ops/images/sbom.sh build/sbom

fmt: setup ## format the code, mend what can be mended
	$(BIN)/ruff check --fix $(CODE)
	$(BIN)/ruff format $(CODE)

screenshots: setup web ## pictures of every page, in web/screenshots
	cd web && LINGOLOOP_PYTHON=$(abspath $(BIN))/python npm run screenshots

dashboards: setup ## write Grafana's dashboards again, from ops/dashboards
	$(BIN)/python -m ops.dashboards ops/grafana/dashboards

lock: ## pin requirements.in again (needs uv)
	uv pip compile --universal --generate-hashes --no-annotate --python-version 3.11 --upgrade \
	  --custom-compile-command "make lock" --quiet -o requirements.lock requirements.in
	uv pip compile --universal --generate-hashes --no-annotate --python-version 3.11 --upgrade \
	  --custom-compile-command "make lock" --quiet -o ops/tools.lock ops/tools.in
	@for input in ops/images/*.in; do (set -x; \
	  uv pip compile --universal --generate-hashes --no-annotate --python-version 3.13 --constraint requirements.lock \
	  $(OURS:%=--no-emit-package %) --custom-compile-command "make lock" --quiet -o $${input%.in}.lock $$input) || exit 1; done
	uv pip compile --universal --generate-hashes --no-annotate --python-version 3.11 -c requirements.lock \
	  $(OURS:%=--no-emit-package %) --custom-compile-command "make lock" --quiet -o ops/systemd/install.lock ops/systemd/install.in

bench: setup test-servers ## measure: make bench NAME=overhead
	$(BIN)/python -m bench $(NAME)

clean: ## delete what was made here
	rm -rf .venv .venv-ops .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find libs services tests -name __pycache__ -prune -exec rm -rf {} +
	rm -rf $(PACKAGES:%=%/*.egg-info) $(PACKAGES:%=%/build)
	rm -rf $(dir $(APP)) web/node_modules web/*/dist

chaos: setup test-servers ## faults on a whole fleet: make chaos SEED=1 RUNS=200
	$(BIN)/python -m tests.chaos --seed $(or $(SEED),1) --runs $(or $(RUNS),200)
