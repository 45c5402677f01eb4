# Everything a checkout needs, without root: Python 3.11 or newer, a C++20 compiler, and the package index of pip.
# The first target makes .venv and compiles the native kernels; later ones only what changed.

PYTHON ?= python3
DATA ?= ../shared/data
SLOW ?= 0
BIN := .venv/bin
# Tests make many small lakes, each with a database that waits for the disk: in memory where that has the room.
MEMORY := $(shell test "$$(df --output=avail /dev/shm 2>/dev/null | tail -n 1)" -gt 8388608 2>/dev/null \
	&& ! findmnt --noheadings --output OPTIONS /dev/shm | grep -q noexec && echo TMPDIR=/dev/shm)
NATIVE := $(shell find lake catalog ingest compute -name '*.cpp' -o -name '*.h')

# What of the tests is run.
TESTS_0 := not slow and not exhaustive
TESTS_1 := not exhaustive
TESTS_2 :=

.PHONY: help venv demo test lint docs bench clean

help:
	@echo "make demo   plant variants, simulate a sequencer run, call it, compare (two minutes)"
	@echo "make test   run the tests; SLOW=1 adds those that take more than half a minute, SLOW=2 what CI leaves out"
	@echo "make lint   ruff, mypy, import-linter"
	@echo "make docs   write docs/cli.md from what --help says"
	@echo "make bench  time against samtools, bwa, bcftools and freebayes on DATA=$(DATA)"
	@echo "make venv   only install"
	@echo "make clean  remove what the others made"

venv: .venv/installed

.venv/installed: pyproject.toml setup.py $(NATIVE)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "baselake needs Python 3.11 or newer; try: make PYTHON=python3.11" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "Installing the build tools"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check 'setuptools>=77' 'pybind11>=3.0'
	@echo "Compiling the native kernels ($(words $(filter %.cpp,$(NATIVE))) modules), and installing what baselake needs"
	@# The name of no package keeps pip from compiling the kernels, too.
	@# With build isolation: mappy comes as source, and its build wants tools of its own.
	@BASELAKE_BUILD_ONLY=nothing $(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]' \
		& installing=$$!; \
		$(BIN)/python setup.py build_ext --inplace --parallel 2; compiled=$$?; \
		wait $$installing && exit $$compiled
	@# Where Python is told to write no bytecode, each command would compile what it imports: a twentieth of a second.
	@$(BIN)/python -m compileall -q catalog compute ingest lake src
	@touch $@

demo: venv
	rm -rf demo-data
	$(BIN)/baselake demo demo-data

# Where Python is told to write no bytecode, every worker and every command would compile the tests and what they import.
test: venv
	PYTHONDONTWRITEBYTECODE= $(MEMORY) $(BIN)/pytest -n 3 --dist worksteal -m "$(TESTS_$(SLOW))"

lint: venv
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: venv
	$(BIN)/python -m baselake.cli.page > docs/cli.md

bench: venv
	$(BIN)/python benchmarks/run.py --data $(DATA)

clean:
	rm -rf .venv .cache build demo-data
	find . -name '*.so' -not -path './.venv/*' -delete
