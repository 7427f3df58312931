# HearthKMS. `make run` starts the service, `make test` proves it; each sets up what it needs.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
RUN_STAMP  := $(VENV)/.run-installed
DEV_STAMP  := $(VENV)/.dev-installed
CLI_STAMP  := .venv-awscli/.installed
BENCH_STAMP := .venv-bench/.installed
WORKERS ?= 2

.PHONY: help install run test check soak bench lock system-packages clean

help: ## Say what each target does
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

$(BIN)/python:
	@scripts/create-venv "$(PYTHON)" $(VENV)

$(RUN_STAMP): requirements/run.lock pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements/run.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

$(DEV_STAMP): requirements/dev.lock $(RUN_STAMP)
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements/dev.lock
	@touch $@

$(CLI_STAMP): requirements/awscli.lock
	@scripts/create-venv "$(PYTHON)" .venv-awscli
	.venv-awscli/bin/python -m pip install --quiet --require-hashes -r requirements/awscli.lock
	@touch $@

$(BENCH_STAMP): requirements/bench.lock
	@scripts/create-venv "$(PYTHON)" .venv-bench
	.venv-bench/bin/python -m pip install --quiet --require-hashes -r requirements/bench.lock
	@touch $@

install: $(RUN_STAMP) ## Set up .venv; the command is then .venv/bin/hearthkms

run: install ## Set up, then start the service with embedded defaults (Ctrl-C stops it)
	@$(BIN)/hearthkms serve --dev

system-packages: ## Install the Debian packages that tests and benchmarks need (root)
	@scripts/system-packages

test: $(DEV_STAMP) $(CLI_STAMP) ## Set up, then run every test (a short slice of each long one)
	@scripts/system-packages
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup

check: $(DEV_STAMP) ## Lint, types, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

soak: $(DEV_STAMP) $(CLI_STAMP) ## The long chaos, fuzz and soak runs
	@scripts/system-packages
	HEARTHKMS_SOAK=1 $(BIN)/python -m pytest -m soak --timeout=7200

bench: $(DEV_STAMP) $(BENCH_STAMP) ## Measure beside moto_server and nginx, and draw the plots
	@scripts/system-packages
	$(BIN)/python -m benchmarks.run

lock: ## Compile the lock files anew from requirements/*.in
	@scripts/compile-locks "$(PYTHON)"

clean: ## Remove the environments (never the data)
	rm -rf $(VENV) .venv-awscli .venv-bench
