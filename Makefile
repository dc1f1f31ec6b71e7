# CI runs these targets and nothing else. `make` alone lists them.
VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= python3
UV := $(shell command -v uv 2>/dev/null)
STAMP := $(VENV)/.installed
DEV_STAMP := $(VENV)/.installed-dev

.DEFAULT_GOAL := list
.PHONY: list setup run test check format lint types imports protos dashboards parity lock bench bench-peers prove-ledger clean

list:  ## Show the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

setup: $(STAMP)  ## Make .venv with the platform in it
run: $(STAMP)  ## Start the platform on http://127.0.0.1:8000
	$(BIN)/llm-platform serve

test: $(DEV_STAMP)  ## Run every test, in two processes: most of them wait most of the time
	$(BIN)/pytest -n 2 --dist loadfile

check: lint types imports  ## Lint, types and the architecture's contracts

format: $(DEV_STAMP)  ## Rewrite the code in the project's format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix-only .

lint: $(DEV_STAMP)  ## Style and common faults
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(DEV_STAMP)  ## mypy --strict
	$(BIN)/mypy
	$(BIN)/mypy bench

imports: $(DEV_STAMP)  ## Who may import whom
	$(BIN)/lint-imports

protos: $(DEV_STAMP)  ## Make the Python code for protos/
	$(BIN)/python scripts/make_protos.py

dashboards: $(DEV_STAMP)  ## Write the dashboards and LiteLLM's names into monitoring/
	$(BIN)/python -m app.integrations.monitoring.dashboards monitoring

parity: $(DEV_STAMP)  ## Ask the same through every front-end and write docs/parity.md
	$(BIN)/python scripts/parity_table.py > docs/parity.md

bench: $(DEV_STAMP)  ## Measure the platform on this machine (10 minutes)
	$(BIN)/python -m bench

bench-peers: $(DEV_STAMP)  ## Measure other gateways beside it (installs them; half an hour)
	$(BIN)/python -m bench --peers

prove-ledger: $(DEV_STAMP)  ## Kill the platform 250 times and count what its ledger lost (10 minutes)
	$(BIN)/python -m bench.ledger

lock:  ## Renew the lock files (needs uv)
	$(UV) pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
		pyproject.toml -o requirements/runtime.txt
	$(UV) pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
		pyproject.toml --group dev -c requirements/runtime.txt -o requirements/dev.txt

clean:  ## Remove what the targets made
	rm -rf $(VENV) build dist bench/.peers .mypy_cache .pytest_cache .ruff_cache .import_linter_cache

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, this is " + sys.version if sys.version_info < (3, 11) else 0)'
	@$(PYTHON) -c 'import ensurepip' || { echo 'Python lacks its venv module: on Debian, apt-get install python3-venv'; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(STAMP): requirements/runtime.txt pyproject.toml | $(VENV)/bin/python
ifdef UV
	$(UV) pip install -q -p $(VENV) --compile-bytecode --require-hashes -r requirements/runtime.txt
	$(UV) pip install -q -p $(VENV) --no-deps -e .
else
	$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/runtime.txt
	$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps -e .
endif
	$(BIN)/python -m compileall -q backend/app  # as pip does with the rest: a start that compiles takes twice as long
	@touch $@

$(DEV_STAMP): requirements/dev.txt $(STAMP)
ifdef UV
	$(UV) pip install -q -p $(VENV) --require-hashes -r requirements/dev.txt
else
	$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/dev.txt
endif
	@touch $@
