# Genmodels Studio. `make run` and `make test` make their environment if it is missing, broken or older than its lists.
PYTHON ?= python3
VENV ?= .venv
HOST ?= 127.0.0.1
PORT ?= 8501
TESTERS ?= 3
BIN = $(VENV)/bin
# One thread each: two processes with two threads on two cores wait for one another at every layer. Three processes on
# two cores: tests wait for servers, workers and timers.
# Bytecode is stored, whatever the caller's environment says: hundreds of processes import the same modules.
PYTEST = env -u PYTHONDONTWRITEBYTECODE OMP_NUM_THREADS=1 $(BIN)/python -m pytest
TEST_TOGETHER = $(PYTEST) -n $(TESTERS) --dist worksteal
# The files with a test that runs alone: the others need not be imported for it.
TEST_ALONE = $(PYTEST) $(shell grep -rl --include='test_*.py' 'mark\.alone' tests) -m alone

.PHONY: help setup run test test-install rehearse check bench clean FORCE

help:
	@echo "make run     start the studio on http://$(HOST):$(PORT)"
	@echo "make test    lint, types and every test (about 14 minutes on two cores)"
	@echo "make check   the two-minute loop: lint, types, fast tests"
	@echo "make bench   measure speed and quality, print the tables of docs/benchmarks.md"
	@echo "make test-install   install the wheel in a new environment (minutes, a network, 7 GB of disk)"
	@echo "make rehearse   apply the Dockerfile without Docker and serve from it (Linux, root)"
	@echo "make setup   only make the environment"

# Fails unless the environment has a Python and a pip that start: not after an interrupted `python -m venv`, nor where
# its Python was removed or replaced by another version. It is then made again. One that was moved works: nothing below
# calls a script, whose first line would name the old place.
WORKS = $(BIN)/python -c 'import sys, pip._internal.cli.main; sys.exit(sys.version_info < (3, 11))' 2>/dev/null

$(VENV)/.made: $(if $(shell $(WORKS) && echo yes),,FORCE)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; this is " + sys.version.split()[0] + ". Name one: make PYTHON=python3.12 run")'
	@if $(WORKS); then touch -t 200001010000 $@; else $(PYTHON) -m venv --clear $(VENV) && touch $@; fi

FORCE:

$(VENV)/.ready-to-run: $(VENV)/.made requirements.txt constraints.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt -c constraints.txt
	@touch $@

$(VENV)/.ready-to-test: $(VENV)/.ready-to-run requirements-dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt -c constraints.txt
	@touch $@

setup: $(VENV)/.ready-to-test

# Fails if nothing can listen there.
LISTENS = $(BIN)/python -c 'import socket, sys; family, *_, address = socket.getaddrinfo(*sys.argv[1:], type=socket.SOCK_STREAM)[0]; socket.create_server(address[:2], family=family).close()' $(HOST) $(PORT) 2>/dev/null

run: $(VENV)/.ready-to-run
	@$(LISTENS) || { echo "$(HOST):$(PORT) cannot be used: another program listens there, or the address is not this machine's. Choose another port: make run PORT=8600" >&2; exit 1; }
	$(BIN)/python -m streamlit run app.py --server.address $(HOST) --server.port $(PORT)

check: $(VENV)/.ready-to-test
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m mypy
	$(TEST_TOGETHER) -q -m "not slow and not browser and not alone"

# The types are checked while the first tests run: mypy uses one core.
test: $(VENV)/.ready-to-test
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m mypy & types=$$!; $(TEST_TOGETHER) -m "not alone"; tests=$$?; wait $$types && exit $$tests
	$(TEST_ALONE)

# PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu in the environment installs torch without CUDA.
test-install: $(VENV)/.ready-to-test
	$(BIN)/python -m tests.clean_install $(PIP_ARGS)

rehearse: $(VENV)/.ready-to-test
	$(BIN)/python -m tests.rehearse

bench: $(VENV)/.ready-to-test
	$(BIN)/python -m benchmarks

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache
