# Two commands carry the project: `make demo` and `make test`. Both set themselves up and are safe to run again.
PYTHON ?= python3
VENV   ?= .venv
INPUT  ?=
OUT    ?= out
ONLY   ?=
BIN    := $(VENV)/bin
# Without the build tools' warnings to developers of packages.
PIP    := PYTHONWARNINGS=ignore $(BIN)/python -m pip install --quiet

.PHONY: help setup demo test docs pictures lint coverage mutations sanitize torture clean

help:  ## What there is
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'

setup: $(VENV)/.ready  ## A virtual environment with everything the demo and the tests need

$(VENV)/.ready: pyproject.toml setup.py bodyseg_ros/entry_points.txt $(wildcard bodyseg_ros/kernels/*.[ch])
	$(PYTHON) -m venv $(VENV)
	@$(PIP) --upgrade pip
	@echo "Installing TensorFlow, other engines and the tools of the tests: about 3 GB, a few minutes."
	@$(PIP) --editable '.[dev]'
	@if command -v Xvfb >/dev/null; then $(PIP) --no-deps --upgrade \
		--target $(VENV)/opencv-windows 'opencv-python>=4.8,<5'; fi  # for the test of `run --show`
	@touch $@

demo: setup  ## People cut out of a real photo; INPUT=photo.jpg for one's own
	$(BIN)/bodyseg demo $(if $(INPUT),"$(INPUT)") --out "$(OUT)"

lint: setup  ## Style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Two processes: each loads TensorFlow, and a machine of two cores is enough. A file's tests stay together.
test: lint  ## Every check
	$(BIN)/python -m pytest -n 2 --dist loadfile

docs: setup  ## The documentation site, in build/site/index.html; links are checked
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict

pictures: setup  ## The pages' pictures, each by the command in its caption, without the timings; ONLY="word word" for some
	PATH="$(abspath $(BIN)):$$PATH" $(BIN)/python scripts/pictures.py $(ONLY)

coverage: setup  ## Branches that the tests go through, in processes they start too, by floor of the package
	rm -rf build/coverage && mkdir -p build/coverage
	$(BIN)/python -m pytest -q -n 2 --dist loadfile --cov --cov-report=json:build/coverage/report.json
	$(BIN)/python benchmark/coverage_by_floor.py build/coverage/report.json

mutations: setup  ## Lines broken one after the other: which of them no test notices; ONLY="word word" for some
	$(BIN)/python benchmark/mutations.py $(ONLY)

torture: setup  ## Break things on purpose and count what happens: messages, models, signals, downloads, the privacy camera
	$(BIN)/python benchmark/torture.py
	$(BIN)/python -m pytest -q test/catalog/test_download.py

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
