# make repro: everything from text to report.  make test: the tests.  make experiments: every option
# with every seed, for hours, to docs/experiments.md.  All install what they need.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: repro experiments test check

repro: $(VENV)/installed
	PATH="$(abspath $(BIN)):$$PATH" dvc repro

experiments: $(VENV)/installed
	PATH="$(abspath $(BIN)):$$PATH" python src/experiments.py

test: $(VENV)/installed-dev
	$(BIN)/python -m pytest

check: $(VENV)/installed-dev
	$(BIN)/ruff check src tests
	$(BIN)/ruff format --check src tests
	$(BIN)/mypy src

$(VENV)/installed: requirements.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --requirement requirements.txt
	touch $@

$(VENV)/installed-dev: requirements-dev.txt $(VENV)/installed
	$(BIN)/python -m pip install --quiet --requirement requirements-dev.txt
	touch $@
