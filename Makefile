# make repro: everything from text to report.  make test: the tests.  make experiments: every option
# with every seed, for hours, to docs/experiments.md.  make bench: speed, to benchmarks/README.md.
# make check: style, types, code that comes twice.
# make verify: a fresh clone gives the bytes of dvc.lock.  make audit: known holes in what is installed.
# All install what they need.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: repro experiments bench test coverage thorough check verify audit

repro: $(VENV)/installed
	PATH="$(abspath $(BIN)):$$PATH" dvc repro

experiments: $(VENV)/installed
	PATH="$(abspath $(BIN)):$$PATH" python src/experiments.py

bench: $(VENV)/installed
	PATH="$(abspath $(BIN)):$$PATH" PYTHONPATH=src python -m benchmarks $(BENCH)

test: $(VENV)/installed-dev
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile

coverage: $(VENV)/installed-dev
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile --cov=src --cov-branch \
		--ignore tests/test_interruption.py  # which times when to kill a process

thorough: $(VENV)/installed-dev
	$(BIN)/python -m pytest -m slow

check: $(VENV)/installed-dev
	$(BIN)/ruff check src tests benchmarks
	$(BIN)/ruff format --check src tests benchmarks
	$(BIN)/mypy src benchmarks
	$(BIN)/python -m pytest --quiet tests/test_duplicates.py

verify: $(VENV)/installed
	PATH="$(abspath $(BIN)):$$PATH" python src/verify.py

audit: $(VENV)/installed-dev
	$(BIN)/pip-audit --strict $(addprefix --requirement ,$(wildcard requirements*.txt))

$(VENV)/installed: requirements.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --requirement requirements.txt
	touch $@

$(VENV)/installed-dev: requirements-dev.txt requirements-dask.txt $(VENV)/installed
	$(BIN)/python -m pip install --quiet --requirement requirements-dev.txt
	touch $@
