# Two commands carry the project: `make demo` and `make test`. Both set themselves up and are safe to run again.
PYTHON ?= python3
VENV   ?= .venv
INPUT  ?=
OUT    ?= out
BIN    := $(VENV)/bin

.PHONY: help setup demo test lint sanitize torture clean

help:  ## What there is
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'

setup: $(VENV)/.ready  ## A virtual environment with everything the demo and the tests need

$(VENV)/.ready: pyproject.toml setup.py bodyseg_ros/entry_points.txt $(wildcard bodyseg_ros/kernels/*.[ch])
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@

demo: setup  ## People cut out of a real photo; INPUT=photo.jpg for one's own
	$(BIN)/bodyseg demo "$(INPUT)" --out "$(OUT)"

lint: setup  ## Style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test: lint  ## Every check
	$(BIN)/python -m pytest

torture: setup  ## Break things on purpose and count what happens: messages, parameters, model files, signals, downloads
	$(BIN)/python benchmark/torture.py
	$(BIN)/python -m pytest -q test/ros/nodes/test_privacy_camera.py test/catalog/test_download.py

# In a copy of the package, so that the kernels in use stay as they are. libasan is preloaded: Python was built without it.
sanitize: setup  ## The kernels' tests with the kernels under AddressSanitizer and UndefinedBehaviorSanitizer
	rm -rf build/sanitize
	mkdir -p build/sanitize
	cp -r bodyseg_ros models build/sanitize/
	rm -f build/sanitize/bodyseg_ros/kernels/*.so
	$(CC) -std=gnu11 -g -O1 -ffp-contract=off -fsanitize=address,undefined -fno-sanitize-recover=all -shared -fPIC \
		bodyseg_ros/kernels/*.c -o build/sanitize/bodyseg_ros/kernels/_kernels.so
	cd build/sanitize && ASAN_OPTIONS=detect_leaks=0 LD_PRELOAD="$$($(CC) -print-file-name=libasan.so)" \
		$(abspath $(BIN))/python -m pytest -c ../../pyproject.toml --rootdir ../.. ../../test/kernels ../../test/decode

clean:  ## Remove what the commands above made
	rm -rf $(VENV) out build bodyseg_ros/kernels/*.so *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
