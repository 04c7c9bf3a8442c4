# Everything that a developer does is a target here. You need make, git and Python 3.11 to 3.13.
# Marker files in .venv say what is installed, so that each target installs what it needs, once.

PYTHON ?=
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check
# Tests start hundreds of short processes: each would compile what it imports.
unexport PYTHONDONTWRITEBYTECODE

# pip installs only files whose hashes are in constraints.txt. The project itself is a folder, which has none.
LOCKED := --require-hashes --constraint constraints.txt --build-constraint constraints.txt
install = scripts/requirements $(1) >$(VENV)/.requirements && $(PIP) install --quiet $(LOCKED) --requirement $(VENV)/.requirements
itself  = $(PIP) install --quiet --no-deps --no-build-isolation --editable .

.DEFAULT_GOAL := help
.NOTPARALLEL:
.DELETE_ON_ERROR:
.PHONY: help setup demo dev simulate simulate-mutants test test-faults test-quick test-time check lint format bench bench-quick bench-flood \
        screenshots schemas docs build check-sam deploy lock clean

help:  ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-17s %s\n", $$1, $$2 }' Makefile

# --- Set up ---------------------------------------------------------------------------------------------------------

setup: $(VENV)/.dev  ## Install everything into .venv
	@echo "ready: $(BIN)/eventcron"

# Dependency groups need pip 25.1, build constraints 25.3. Debian 12 has 23.0.
$(VENV)/.pip: scripts/make-venv
	@test -x $(BIN)/pip || scripts/make-venv $(VENV) '$(PYTHON)'
	@sed -n '/^pip==/,/[^\\]$$/p' constraints.txt >$(VENV)/.requirements  # Debian's pip takes no hashes from constraints
	@$(PIP) install --quiet --require-hashes --requirement $(VENV)/.requirements
	@touch $@

$(VENV)/.local: $(VENV)/.pip pyproject.toml constraints.txt
	@echo "installing the local runtime into $(VENV) …"
	@$(BIN)/python $(call install,local)
	@$(itself)
	@touch $@

$(VENV)/.dev: $(VENV)/.pip pyproject.toml constraints.txt
	@echo "installing everything into $(VENV) …"
	@$(BIN)/python $(call install,dev)
	@$(itself)
	@touch $(VENV)/.local $(VENV)/.docs $@

$(VENV)/.docs: $(VENV)/.pip pyproject.toml constraints.txt
	@echo "installing what builds the site into $(VENV) …"
	@$(BIN)/python $(call install,docs)
	@touch $@

# --- Use ------------------------------------------------------------------------------------------------------------

demo: $(VENV)/.local  ## Put 1,307 real schedules, sped up, fire them into three kinds of targets, and check every fire
	@$(BIN)/eventcron demo $(ARGS)

dev: $(VENV)/.local  ## Run the whole stack on this machine until Ctrl-C
	@$(BIN)/eventcron dev $(ARGS)

SIMULATION := $(BIN)/python -m tools.faultsim

simulate: $(VENV)/.local  ## Simulate faults and check the guarantees: SEEDS=2000 FROM=0, or one seed again: SEED=n
	@$(SIMULATION) $(if $(SEED),--seed $(SEED),--seeds $(or $(SEEDS),200) --from $(or $(FROM),0)) $(ARGS)

simulate-mutants: $(VENV)/.local  ## Break the code on purpose, one mutant at a time: the simulator must notice each
	@$(SIMULATION) --mutants $(ARGS)

# --- Check ----------------------------------------------------------------------------------------------------------

test: $(VENV)/.dev  ## Run every test and measure coverage
	@$(BIN)/pytest --numprocesses 4 --dist loadscope --no-loadscope-reorder --cov $(ARGS)

test-faults: $(VENV)/.dev  ## Kill each part of the embedded stack while it fires; repeat the same kills with SEED=n
	@FAULTS_SEED=$(SEED) $(BIN)/pytest --capture no tests/acceptance/test_faults.py $(ARGS)

# Importing Schemathesis takes longer than the tests of the REST API, and its only module is slow.
QUICK := --numprocesses 2 --dist worksteal -m 'not slow and not embedded and not moto' -p no:schemathesis --ignore tests/rest/test_contract.py --ignore tests/acceptance

test-quick: $(VENV)/.dev  ## Run the fast tests, which need no emulator, in less than a minute
	@$(BIN)/pytest $(QUICK) $(ARGS)

test-time: $(VENV)/.dev  ## Compare the cron engine with the oracle, thoroughly
	@HYPOTHESIS_PROFILE=thorough $(BIN)/pytest tests/time tests/unit/timing $(ARGS)

# I4010 asks for a description of the architecture inside the template. docs/ and the template's comments have it.
lint: $(VENV)/.dev  ## Check style, types, layers and the template
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/cfn-lint --include-checks I --include-experimental --ignore-checks I4010 --non-zero-exit-code informational -- infra/template.yaml infra/examples/*.yaml infra/examples/*/*.yaml

check: lint bench-quick test  ## Run what CI runs, in the same order

format: $(VENV)/.dev  ## Format the code and fix what ruff can fix
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

BENCHMARKS := benchmarks $(patsubst benchmarks/%.py,benchmarks.%,$(wildcard benchmarks/bench_*.py))

bench: $(VENV)/.dev  ## Measure what has to be fast, beside what is required; JSON and plots in benchmarks/results
	@status=0; for name in $(BENCHMARKS); do $(BIN)/python -m $$name || status=1; done; exit $$status

bench-quick: $(VENV)/.dev  ## Measure the core of it in less than a minute; ratios only, with generous bounds
	@$(BIN)/python -m benchmarks --quick

bench-flood: $(VENV)/.local  ## Measure what one tenant's 50,000 commands in a minute cost another, on the embedded AWS
	@$(BIN)/python -m benchmarks.flood $(ARGS)

screenshots: $(VENV)/.dev  ## Take the pictures of the console that docs show, by the test that drives its pages
	@SCREENSHOTS=docs/how-to/images $(BIN)/pytest --quiet tests/acceptance/test_console.py

schemas: $(VENV)/.dev  ## Generate events/schemas, events/published and the OpenAPI document from the structs
	@$(BIN)/python -m eventcron.wire.schemas events/schemas
	@$(BIN)/python -m eventcron.entrypoints.rest.openapi
	@$(BIN)/python -m tests.handlers.test_events_folder

# Not --quiet: then warnings are not counted, and --strict fails for none.
docs: $(VENV)/.docs  ## Build the documentation into build/site; a broken link is an error
	@NO_MKDOCS_2_WARNING=true $(BIN)/mkdocs build --strict
	@echo "open build/site/index.html"

# --- Release --------------------------------------------------------------------------------------------------------

build: $(VENV)/.pip  ## Build the wheel into dist/
	@$(PIP) wheel --quiet --no-deps --build-constraint constraints.txt --wheel-dir dist .
	@ls dist

check-sam:  ## Check the template with sam and checkov, and build the functions
	@scripts/check-sam

deploy:  ## Build and deploy with sam, as samconfig.toml says: make deploy ENV=prod
	@sam build --config-env $(or $(ENV),default) && sam deploy --config-env $(or $(ENV),default) $(ARGS)

lock: $(VENV)/.pip  ## Write the newest allowed versions to constraints.txt
	@scripts/lock $(BIN)/python

clean:  ## Remove everything that make created
	@if [ -e $(VENV)/.pip ]; then rm -rf $(VENV); fi
	@rm -rf build dist benchmarks/results .aws-sam .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage
	@find src tests benchmarks -name __pycache__ -prune -exec rm -rf {} +
