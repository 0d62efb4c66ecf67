# make run   install, then code every demo note and print the suggestions
# make test  install, then run the tests
# make spark install Spark too, then run its tests; needs Java 17 or later
# A second call does not install again; VENV and PYTHON may be overridden.

VENV ?= .venv
PYTHON ?= python3
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.DEFAULT_GOAL := run
.PHONY: run test lint types rules spark clean

run: $(VENV)/.installed
	@$(BIN)/pvl code sample_notes/demo --format table

test: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -q

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.installed-dev
	$(BIN)/mypy

rules: $(VENV)/.installed-dev
	$(BIN)/pvl rules check --notes sample_notes/gold

spark: $(VENV)/.installed-spark
	$(BIN)/python -m pytest -q tests/test_spark.py

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache

$(VENV)/.created:
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or later is needed: make PYTHON=/path/to/python3.11" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.installed: $(VENV)/.created pyproject.toml constraints.txt
	$(PIP) install --constraint constraints.txt --editable .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.created pyproject.toml constraints.txt
	$(PIP) install --constraint constraints.txt --editable '.[dev]'
	@touch $@ $(VENV)/.installed

$(VENV)/.installed-spark: $(VENV)/.installed-dev
	$(PIP) install --constraint constraints.txt --editable '.[dev,spark]'
	@touch $@
