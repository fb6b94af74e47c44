# `make` lists the targets. Each sets up .venv by itself: Python ≥ 3.11, pip and make are enough.
PYTHON   ?= python3
VENV     := .venv
BIN      := $(VENV)/bin
STAMP    := $(VENV)/.installed
DATA_DIR ?= .ordersaga
ORDERS   ?= 500
SEED     ?= 1
EXAMPLES ?= 1000
# Test files side by side: most tests wait for timers and processes, not for a core.
WORKERS  ?= 3

.DEFAULT_GOAL := help
.PHONY: help demo up test test-long test-again test-all faults faults-again chaos planted-bugs fuzz bench bench-quick bench-growth bench-recovery bench-startup bench-api bench-relay openapi event-schemas lint types clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(STAMP) ## push real orders through everything, then audit what remains
	$(BIN)/ordersaga demo

up: $(STAMP) ## start everything on this machine, until Ctrl-C
	$(BIN)/ordersaga up --data-dir $(DATA_DIR)

test: $(STAMP) ## the tests, but for those that take long
	$(BIN)/python -m pytest -m "not long and not slow" -n $(WORKERS)

test-long: $(STAMP) ## those that take long: crowds, rings, kills, canaries
	$(BIN)/python -m pytest -m "long and not slow" -n $(WORKERS)

test-again: $(STAMP) ## those tests that failed the last time
	$(BIN)/python -m pytest -m "not slow" --last-failed --last-failed-no-failures none

test-all: $(STAMP) ## all tests, with coverage
	$(BIN)/python -m pytest --cov --cov-report=term-missing:skip-covered

faults: $(STAMP) ## every fault at every step, as a table
	$(BIN)/python -m tests.faults

faults-again: $(STAMP) ## those of them that were wrong the last time
	$(BIN)/python -m tests.faults --last-failed --last-failed-no-failures none

chaos: $(STAMP) ## kill every part again and again under orders, then audit (ORDERS=, SEED=)
	$(BIN)/ordersaga chaos --orders $(ORDERS) --seed $(SEED)

planted-bugs: $(STAMP) ## plants each known mistake in a copy; its test must catch it
	$(BIN)/python -m tests.planted

fuzz: $(STAMP) ## requests made from the OpenAPI document, against everything running (EXAMPLES= an operation)
	$(BIN)/python -m tests.fuzz --examples $(EXAMPLES)

# npm has Restate's server; without npm that engine is left out, and the table says so.
bench: $(STAMP) ## the same orders by other engines and by none, in turns: a table, ratios, a picture
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
	  --editable '.[local,dev,bench]' --constraint constraints.txt
	@test -x .bench/node_modules/.bin/restate-server || ! command -v npm >/dev/null || \
	  npm install --silent --no-package-lock --prefix .bench @restatedev/restate-server@1.7.12
	$(BIN)/python -m bench.engines --output bench/results/engines.json --picture docs/images/bench.svg

bench-quick: $(STAMP) ## events, tasks, statements and round trips an order: fails when they rise
	$(BIN)/python -m bench.counts

bench-growth: $(STAMP) ## long orders, one hot SKU, thousands of orders that wait
	$(BIN)/python -m bench.growth --output bench/results/growth.json

bench-recovery: $(STAMP) ## the worker is killed with a thousand orders in flight
	$(BIN)/python -m bench.recovery --output bench/results/recovery.json

bench-startup: $(STAMP) ## until everything is ready, until --help, until the first order
	$(BIN)/python -m bench.startup --output bench/results/startup.json

bench-api: $(STAMP) ## how long a caller waits, beside a bare insert and a bare start of a workflow
	$(BIN)/python -m bench.api --output bench/results/api.json

bench-relay: $(STAMP) ## the relay beside a plain publish loop, on a RabbitMQ of this machine
	$(BIN)/python -m bench.relay --output bench/results/relay.json

openapi: $(STAMP) ## write docs/openapi.json anew
	$(BIN)/ordersaga openapi --output docs/openapi.json

event-schemas: $(STAMP) ## write docs/events/schema.json anew
	$(BIN)/ordersaga event-schemas --output docs/events/schema.json

lint: $(STAMP) ## style and mistakes (ruff)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP) ## types (mypy --strict)
	$(BIN)/mypy

clean: ## remove .venv, caches, and the local stack's data
	@if [ -x $(BIN)/ordersaga ]; then $(BIN)/ordersaga purge --data-dir $(DATA_DIR); fi
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage htmlcov dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Made anew only when what is installed changes.
$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed: make PYTHON=/path/to/python3"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
	  --editable '.[local,dev]' --constraint constraints.txt
	@touch $@
