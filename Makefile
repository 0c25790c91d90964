# The two commands of the README are `make demo` and `make test`; both install first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: install demo test test-fast lint docs bench clean

install: $(STAMP)

# torch comes first and alone: its CPU build satisfies every later requirement
$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet -c constraints.txt torch
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev]'
	touch $(STAMP)

demo: install
	$(BIN)/unpersonal demo demo-study
	$(BIN)/unpersonal verify demo-study/release

# the test files are dealt to so many processes with one thread each; JOBS=1: to none
JOBS ?= $(shell getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1)
test: install
ifeq ($(JOBS),1)
	$(BIN)/python -m pytest
else
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(JOBS) --dist loadfile
endif

# the daily loop: without what is marked slow; small tests are faster with one thread
test-fast: install
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "not slow"

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/codespell src docs benchmarks *.md Makefile mkdocs.yml pyproject.toml

# the site, into site/: every warning ends it, and nothing is fetched; it is looked at from the disk
docs: install
	NO_MKDOCS_2_WARNING=1 OMP_NUM_THREADS=1 $(BIN)/python -m mkdocs build --quiet

bench: install
	$(BIN)/python -m benchmarks

clean:
	rm -rf site demo-study demo-study-images .pytest_cache .mypy_cache .ruff_cache
