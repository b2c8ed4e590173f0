# Needs python3 (3.11 to 3.13) and make; everything else is installed into .venv from the locks.

PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; raise SystemExit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2>/dev/null \
	&& { echo $$p; break; }; done)
VENV := .venv
BIN := $(VENV)/bin
RUNTIME := $(VENV)/.runtime
READY := $(VENV)/.ready
DEMO := build/demo
PACKAGES := photons encoders plugins adapters catalog_store simulation context detector evaluation daemon cli

.PHONY: setup demo test lint types docs bench prove lock clean

setup: $(READY)

# What running xherald needs; the demo needs no more.
$(RUNTIME): requirements.lock requirements-uv.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "no Python 3.11, 3.12 or 3.13 found: install one, or run make PYTHON=/path/to/python" >&2; exit 1; }
	@$(PYTHON) .ci/install.py runtime
	@touch $@

# What tests, linters, documentation and training need besides.
$(READY): $(RUNTIME) requirements-dev.lock
	@$(PYTHON) .ci/install.py dev
	@touch $@

# Simulated event files of every mission arrive one by one, the daemon processes them, and each alert is printed beside
# the truth.
demo: $(RUNTIME)
	@$(BIN)/python examples/demo.py $(DEMO)

test: $(READY)
	$(BIN)/pytest -n 2

lint: $(READY) types
	$(BIN)/ruff check
	$(BIN)/ruff format --check --diff
	PYTHONPATH=build/types $(BIN)/lint-imports

# Type checkers and import linters look for packages on disk, where setuptools' mapping xherald.photons -> photons/ does
# not show: a farm of links does.
types: $(READY)
	@mkdir -p build/types/xherald
	@for package in $(PACKAGES); do ln -sfn ../../../$$package build/types/xherald/$$package; done
	@ln -sfn $(foreach file,$(wildcard api/*.py) api/py.typed,../../../$(file)) build/types/xherald/
	MYPYPATH=build/types:examples/xherald-nicer/src:examples/xherald-wavelet/src \
		$(BIN)/mypy -p xherald -p xherald_nicer -p xherald_wavelet

# The site, into build/site; the tests build it as strictly.
docs: $(READY)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

bench: $(READY)
	$(BIN)/python -m benchmarks $(BENCH)

prove: $(READY)
	$(BIN)/pytest -m prove

# For maintainers: resolve pyproject.toml again. The development lock holds the versions of the runtime lock.
COMPILE := $(BIN)/python -m uv --quiet --no-config pip compile --universal --python-version 3.11 --generate-hashes \
	--upgrade --default-index https://pypi.org/simple --custom-compile-command "make lock"
lock: $(RUNTIME)
	echo uv | $(COMPILE) --output-file requirements-uv.lock -
	$(COMPILE) --group build --output-file requirements.lock pyproject.toml
	$(COMPILE) --group build --extra test --extra lint --extra train --extra docs --extra notebook \
		--constraint requirements.lock --output-file requirements-dev.lock pyproject.toml

clean:
	rm -rf $(VENV) build *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
