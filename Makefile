# HearthKMS. `make run` starts the service, `make test` proves it; each sets up what it needs.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
JAVASCRIPT := tests/interop/javascript
WORKERS ?= 2

# An environment is made when its `.created` is missing, and filled anew when its lock file changes.
RUN_STAMP   := $(VENV)/.run-installed
DEV_STAMP   := $(VENV)/.dev-installed
CLI_STAMP   := .venv-awscli/.installed
BENCH_STAMP := .venv-bench/.installed
NODE_STAMP  := $(JAVASCRIPT)/node_modules/.installed

.DELETE_ON_ERROR:
.PHONY: help install run test test-setup check soak bench docs lock system-packages clean
.PHONY: test-packages bench-packages

help: ## Say what each target does
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

%/.created:
	@scripts/create-venv "$(PYTHON)" $*
	@touch $@

$(RUN_STAMP): requirements/run.lock pyproject.toml | $(VENV)/.created
	@echo "installing what the service needs into $(VENV)"
	@$(BIN)/python -m pip install --quiet --require-hashes -r requirements/run.lock
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

$(DEV_STAMP): requirements/dev.lock $(RUN_STAMP)
	@echo "installing what tests and checks need into $(VENV)"
	@$(BIN)/python -m pip install --quiet --require-hashes -r requirements/dev.lock
	@touch $@

$(CLI_STAMP): requirements/awscli.lock | .venv-awscli/.created
	@echo "installing the AWS CLI, for tests, into .venv-awscli"
	@.venv-awscli/bin/python -m pip install --quiet --require-hashes -r requirements/awscli.lock
	@touch $@

$(BENCH_STAMP): requirements/bench.lock | .venv-bench/.created
	@echo "installing what benchmarks need into .venv-bench"
	@.venv-bench/bin/python -m pip install --quiet --require-hashes -r requirements/bench.lock
	@touch $@

# npm may only come with the system packages; where it cannot, the tests that need it are skipped.
$(NODE_STAMP): $(JAVASCRIPT)/package-lock.json | test-packages
	@scripts/install-javascript $(JAVASCRIPT) $@

install: $(RUN_STAMP) ## Set up .venv; the command is then .venv/bin/hearthkms

run: install ## Set up, then start the service with embedded defaults (Ctrl-C stops it)
	@$(BIN)/hearthkms serve --dev

test-packages:
	@scripts/system-packages tests

bench-packages:
	@scripts/system-packages benchmarks

system-packages: test-packages bench-packages ## Install the Debian packages of tests and benchmarks (root)

test-setup: $(DEV_STAMP) $(CLI_STAMP) $(NODE_STAMP) test-packages ## Set up everything that tests need

test: test-setup ## Set up, then run every test (a short slice of each long one)
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup

check: $(DEV_STAMP) ## Lint, types, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/shellcheck scripts/* .ci/run

soak: test-setup ## The long chaos, fuzz and soak runs
	@HEARTHKMS_SOAK=1 $(BIN)/python -m pytest -m soak --timeout=7200

bench: $(DEV_STAMP) $(BENCH_STAMP) bench-packages ## Measure beside moto_server and nginx, and draw the plots
	@$(BIN)/python -m benchmarks.run

docs: $(DEV_STAMP) ## Write the generated documents anew
	@$(BIN)/python -m tools.generate

lock: ## Compile the lock files anew from requirements/*.in
	@scripts/compile-locks "$(PYTHON)"

clean: ## Remove the environments (never the data)
	rm -rf $(VENV) .venv-awscli .venv-bench $(JAVASCRIPT)/node_modules
