# Needs python3 (3.11 to 3.13) and make; everything else is installed into .venv from the lock.

PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; raise SystemExit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2>/dev/null \
	&& { echo $$p; break; }; done)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
DEMO := build/demo
PACKAGES := photons encoders plugins adapters catalog_store simulation detector evaluation daemon cli

.PHONY: setup demo test lint types docs bench prove lock clean

setup: $(READY)

$(READY): requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "no Python 3.11, 3.12 or 3.13 found: install one, or say make PYTHON=/path/to/python" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV) || { echo "$(PYTHON) cannot make environments: install its venv module (python3-venv)" >&2; exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

# The main job: a simulated archive drop of every mission arrives file by file, the daemon finds it, and its alerts stand
# beside the truth.
demo: $(READY)
	$(BIN)/python examples/demo.py $(DEMO)

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

# For maintainers: resolve pyproject.toml anew (needs uv).
lock:
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-config --quiet --upgrade \
		--default-index https://pypi.org/simple --extra test --extra lint --extra train --extra docs --group build \
		--custom-compile-command "make lock" --output-file requirements.lock pyproject.toml

clean:
	rm -rf $(VENV) build *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
