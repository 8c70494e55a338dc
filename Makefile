# Python 3.11 or newer and make are all that must be there before. `make` lists the targets.

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.installed
# Examples for Node are tested where it is there; elsewhere their tests say so and are skipped.
NODE   := $(shell command -v node >/dev/null && command -v npm >/dev/null && echo examples/events/node_modules examples/http/node_modules examples/publishers/node/node_modules)
NODE_READY := $(addsuffix /.installed,$(NODE))
PYTEST := $(BIN)/pytest -q

MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
.PHONY: help demo up test lint format unit property integration citus acceptance browser screenshots bench bench-quick chaos events recipes soak lock sbom clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

demo: $(READY)  ## a tour that starts its own PostgreSQL and Valkey, and stops them
	@$(BIN)/balance-worker demo

up: $(READY)  ## the worker, beat and Flower with embedded servers, until Ctrl-C
	@$(BIN)/balance-worker up

test: lint $(NODE_READY)  ## lint, then every test; those that had to be skipped are listed with the reason
	@$(PYTEST) -n 4 --dist worksteal -m "not slow" tests

slow: $(READY) $(NODE_READY)  ## what is too slow for make test: chaos, nodes and flocks of servers, floods, every value in every place
	@$(PYTEST) -n 2 --dist worksteal -m slow tests

lint: $(READY)  ## style, formatting, types, import rules
	@echo "lint: ruff check";  $(BIN)/ruff check --quiet .
	@echo "lint: ruff format"; $(BIN)/ruff format --check --quiet . || { echo "run: make format"; exit 1; }
	@echo "lint: mypy";        $(BIN)/mypy --no-error-summary
	@echo "lint: imports";     out=$$($(BIN)/lint-imports --no-logo 2>&1) || { echo "$$out"; exit 1; }

format: $(READY)  ## let ruff rewrite what it can
	@$(BIN)/ruff check --quiet --fix . ; $(BIN)/ruff format --quiet .

unit: $(READY)  ## tests with no server: nearly all take milliseconds, all of them half a minute
	@$(PYTEST) tests/unit

property: $(READY)  ## invariants under generated jobs (EXAMPLES=20000: so many histories; SEED=7: others than always)
	@$(if $(EXAMPLES),EXAMPLES=$(EXAMPLES)) $(PYTEST) $(if $(TESTS),,-n 2) $(if $(EXAMPLES),--timeout 0) \
		$(if $(SEED),--hypothesis-seed=$(SEED)) "$(or $(TESTS),tests/property)"

recipes: $(READY) $(NODE_READY)  ## examples of publishers, each in a clean virtual environment (needs a package index)
	@$(PYTEST) -n 2 --dist loadfile tests/recipes

integration: $(READY) $(NODE_READY)  ## the path, the store and the brokers on real servers
	@$(PYTEST) -n 2 tests/integration

# What there is to try: a batch, what it waits for, what leaves, what is read, and what `verify` says.
ON_CITUS := $(addprefix tests/integration/,citus apply events \
	$(addprefix store/test_,races.py prune.py outbox.py dead_letters.py records.py rows.py) cli/test_verify.py)

citus: $(READY)  ## ledgers in schemas of a Citus cluster: BALANCE_TEST_CITUS_URL of its coordinator, as a superuser
	@test -n "$$BALANCE_TEST_CITUS_URL" || { echo "set BALANCE_TEST_CITUS_URL to the URL of the coordinator"; exit 1; }
	@$(PYTEST) -n 2 $(ON_CITUS)
	@$(PYTEST) -n 0 $(addprefix tests/integration/shards/test_,keys.py telegram_ids.py) # whose schemas have one name
	@BALANCE_TEST_CITUS_VIA=coordinator $(PYTEST) -n 2 tests/integration/apply tests/integration/store/test_races.py

acceptance: $(READY)  ## whole processes: crashes, restarts, the compose file's own commands
	@$(PYTEST) -n 2 tests/acceptance

browser: $(READY)  ## pages of ours in Flower, as Chromium shows them
	@$(PYTEST) -n 2 tests/browser

screenshots: $(READY)  ## pictures of these pages, into docs/images
	@$(PYTEST) tests/browser/pictures.py

bench: $(READY)  ## measure beside plain and fast workers and PostgreSQL alone, half an hour (ARGS="--only hot": a part)
	@$(BIN)/python -m benchmarks $(ARGS)

bench-quick: $(READY)  ## the same with small sizes in three minutes: shows that it works, not how fast
	@$(BIN)/python -m benchmarks --quick $(ARGS)

chaos: $(READY)  ## everything fails and nothing is lost (DURATION=120 SEED=random BROKER=redis|rabbitmq|both LOAD=0)
	@$(BIN)/python -m tests.chaos --duration $(or $(DURATION),120) --broker $(or $(BROKER),both) \
		$(if $(SEED),--seed $(SEED)) $(if $(LOAD),--load $(LOAD)) $(if $(ONLY),--only $(ONLY)) $(ARGS)

events: $(READY)  ## 100,000 events to a stream and to webhooks, of which 1 % fail: none lost, in order (ARGS="--json FILE")
	@$(BIN)/python -m tests.load $(ARGS)

soak: $(READY)  ## chaos, properties and fuzz in turn, each from a fresh seed (DURATION=600)
	@$(BIN)/python -m tests.soak --duration $(or $(DURATION),600) $(ARGS)

# Hashes of every file that a release has: what is installed is what was locked, wherever it comes from.
COMPILE := $(VENV)/uv/bin/uv pip compile --generate-hashes --universal --python-version 3.11 --no-annotate --no-header \
	--no-emit-index-url --no-emit-find-links --quiet

lock: $(READY)  ## write the locks of all, image and build from pyproject.toml (UPGRADE=1: newest allowed versions)
	@test -x $(VENV)/uv/bin/uv || { $(PYTHON) -m venv $(VENV)/uv && $(VENV)/uv/bin/pip install -qq uv; }
	@$(COMPILE) pyproject.toml --extra dev $(if $(UPGRADE),--upgrade) -o requirements.lock
	@$(COMPILE) pyproject.toml --extra anchors --extra flower --extra http --extra stripe -c requirements.lock -o requirements-image.lock
	@$(PYTHON) -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"], sep="\n")' \
		| $(COMPILE) - -c requirements.lock -o requirements-build.lock
	@for lock in requirements*.lock; do echo "$$lock: $$(grep -c == $$lock) packages"; done

sbom: $(READY)  ## what is in the image, as CycloneDX: dist/sbom.cdx.json, made from its lock, offline
	@mkdir -p dist
	@PYTHONWARNINGS=ignore $(BIN)/cyclonedx-py requirements requirements-image.lock --pyproject pyproject.toml \
		--mc-type application --output-reproducible --sv 1.6 --of JSON -o dist/sbom.cdx.json
	@echo "dist/sbom.cdx.json: $$(grep -c '"purl"' dist/sbom.cdx.json) packages"

clean:  ## remove the virtual environment and everything generated
	@rm -rf $(VENV) examples/events/node_modules examples/http/node_modules examples/publishers/node/node_modules dist .balance-worker .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache .chaos
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamp is written last: an installation that was interrupted is done again.
$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "$(PYTHON) is $$($(PYTHON) --version 2>&1 | head -n 1): Python 3.11 or newer is needed."; \
		echo "Name one: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@echo "installing into $(VENV)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install -qq --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/pip install -qq --disable-pip-version-check --no-index --no-deps --no-build-isolation -e .
	@touch $@

%/node_modules/.installed: %/package.json %/package-lock.json
	@echo "installing into $(@D)"
	@cd $* && npm ci --silent --ignore-scripts --no-audit --no-fund --fetch-retries=1 --fetch-retry-mintimeout=1000 \
		&& touch node_modules/.installed || echo "npm ci does not work there (no network?): tests of examples for Node are skipped"
