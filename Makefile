# One door to everything a developer does. Needs make, git and Python 3.11 to 3.13, and brings the rest.
# Stamps in .venv say what is installed, so that every target sets up what it needs, once.

PYTHON ?=
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check
PINS   := --constraint constraints.txt --build-constraint constraints.txt

.DEFAULT_GOAL := help
.NOTPARALLEL:
.DELETE_ON_ERROR:
.PHONY: help setup demo dev simulate simulate-mutants test test-faults test-quick test-time check lint format bench \
        schemas docs build check-sam deploy lock clean

help:  ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-17s %s\n", $$1, $$2 }' Makefile

# --- Set up ---------------------------------------------------------------------------------------------------------

setup: $(VENV)/.dev  ## Install everything into .venv
	@echo "ready: $(BIN)/eventcron"

# A pip that knows dependency groups (25.1) and build constraints (25.3). Debian 12 has 23.0.
$(VENV)/.pip: scripts/make-venv
	@test -x $(BIN)/pip || scripts/make-venv $(VENV) '$(PYTHON)'
	@$(PIP) install --quiet --constraint constraints.txt --upgrade pip
	@touch $@

$(VENV)/.local: $(VENV)/.pip pyproject.toml constraints.txt
	@echo "installing what the local runtime needs into $(VENV) …"
	@$(PIP) install --quiet $(PINS) --editable '.[local]'
	@touch $@

$(VENV)/.dev: $(VENV)/.pip pyproject.toml constraints.txt
	@echo "installing everything into $(VENV) …"
	@$(PIP) install --quiet $(PINS) --editable . --group dev
	@touch $(VENV)/.local $(VENV)/.docs $@

$(VENV)/.docs: $(VENV)/.pip pyproject.toml constraints.txt
	@echo "installing what builds the site into $(VENV) …"
	@$(PIP) install --quiet $(PINS) --group docs
	@touch $@

# --- Use ------------------------------------------------------------------------------------------------------------

demo: $(VENV)/.local  ## Fire 1,300 real schedules into three kinds of targets, here, and check every fire
	@$(BIN)/eventcron demo $(ARGS)

dev: $(VENV)/.local  ## Run the whole stack on this machine until Ctrl-C
	@$(BIN)/eventcron dev $(ARGS)

SIMULATION := $(BIN)/python -m eventcron.testing.simulation

simulate: $(VENV)/.local  ## Try to break the guarantees: SEEDS=2000 worlds, FROM=0, or replay one: SEED=n
	@$(SIMULATION) $(if $(SEED),--seed $(SEED),--seeds $(or $(SEEDS),200) --from $(or $(FROM),0)) $(ARGS)

simulate-mutants: $(VENV)/.local  ## Plant faults in the protocol, one at a time: the simulator must notice each
	@$(SIMULATION) --mutants $(ARGS)

# --- Check ----------------------------------------------------------------------------------------------------------

test: $(VENV)/.dev  ## Run every test, with the coverage of core/ and app/
	@$(BIN)/pytest --numprocesses 2 --dist loadscope --no-loadscope-reorder --cov $(ARGS)

test-faults: $(VENV)/.dev  ## Kill every part of the embedded stack while it fires, and tell it; the same blows again: SEED=n
	@FAULTS_SEED=$(SEED) $(BIN)/pytest --capture no tests/acceptance/test_faults.py $(ARGS)

test-quick: $(VENV)/.dev  ## Run the tests that need no emulator and take no time
	@$(BIN)/pytest -m 'not slow and not embedded and not moto' $(ARGS)

test-time: $(VENV)/.dev  ## Hold the cron engine against the oracle at full length
	@HYPOTHESIS_PROFILE=thorough $(BIN)/pytest tests/time tests/unit/time $(ARGS)

# I4010 wants a second description of the architecture inside the template; docs/ and the comments there have it.
lint: $(VENV)/.dev  ## Check style, types, layers and the template
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/cfn-lint --include-checks I --include-experimental --ignore-checks I4010 --non-zero-exit-code informational -- infra/template.yaml infra/examples/*.yaml

check: lint test  ## Do what CI does, in the same order

format: $(VENV)/.dev  ## Put the code in order
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

bench: $(VENV)/.dev  ## Measure what has to be fast
	@for file in benchmarks/bench_*.py; do $(BIN)/python $$file || exit 1; done

schemas: $(VENV)/.dev  ## Write events/schemas and the OpenAPI document from the structs
	@$(BIN)/python -m eventcron.entrypoints.schemas events/schemas
	@$(BIN)/python -m eventcron.entrypoints.rest.openapi

# Not --quiet: then warnings are not counted, and --strict fails for none.
docs: $(VENV)/.docs  ## Build the documentation into build/site; a broken link is an error
	@NO_MKDOCS_2_WARNING=true $(BIN)/mkdocs build --strict
	@echo "open build/site/index.html"

# --- Release --------------------------------------------------------------------------------------------------------

build: $(VENV)/.pip  ## Build the wheel into dist/
	@$(PIP) wheel --quiet --no-deps --build-constraint constraints.txt --wheel-dir dist .
	@ls dist

check-sam:  ## Hold the template against sam and checkov, and build the functions
	@scripts/check-sam

deploy:  ## Build and deploy with sam: make deploy ENV=prod, as samconfig.toml says
	@sam build --config-env $(or $(ENV),default) && sam deploy --config-env $(or $(ENV),default) $(ARGS)

lock: $(VENV)/.pip  ## Choose the newest versions again and write constraints.txt
	@scripts/lock $(BIN)/python

clean:  ## Remove what make made
	@if [ -e $(VENV)/.pip ]; then rm -rf $(VENV); fi
	@rm -rf build dist .aws-sam .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage
	@find src tests benchmarks -name __pycache__ -prune -exec rm -rf {} +
