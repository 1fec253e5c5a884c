# Everything a person or a CI system does with this project. `make help` lists it.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help run test long check format lint types bench build clean

help: ## Show this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

run: $(STAMP) ## Try it: demo store, Valkey and the proxy in front, with a sample list; Ctrl-C stops all
	@$(BIN)/stockade demo --with-proxy

test: $(STAMP) ## Run the whole test suite, with a real Valkey
	$(BIN)/pytest

long: $(STAMP) ## The tests that take minutes (2 GiB bodies, stuck workers)
	$(BIN)/pytest -m long

check: $(STAMP) lint types test ## What CI runs: format, lint, types, tests

lint: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(STAMP)
	$(BIN)/mypy

format: $(STAMP) ## Put all code in the project's form
	$(BIN)/ruff check --fix --select I .
	$(BIN)/ruff format .

bench: $(STAMP) ## Measure what a request costs beside nginx (needs nginx and wrk)
	$(BIN)/python benchmarks/relay_cost.py

build: $(STAMP) ## Build the wheel and the source archive into dist/
	$(BIN)/pip install --quiet build
	$(BIN)/python -m build

clean: ## Remove what make made
	rm -rf $(VENV) var dist .mypy_cache .pytest_cache .ruff_cache .hypothesis

# The environment is made once, and again when the dependencies change.
$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed; this is " + sys.version.split()[0] + ". Name another: make PYTHON=python3.12 …") if sys.version_info < (3, 11) else None'
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "python3 has no venv: install it (Debian, Ubuntu: apt-get install python3-venv)"; exit 1; }
	@echo "Installing into $(VENV) …"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade pip
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[embedded,dev]'
	@touch $@
