# `make demo` and `make test` work on a fresh clone: they make .venv with the newest Python >= 3.11 that runs here.

.DEFAULT_GOAL := help
# `make clean test` is one thing after the other; only what says so is made side by side.
ifndef SIDE_BY_SIDE
.NOTPARALLEL:
endif
MAKEFLAGS += --no-builtin-rules --no-print-directory
SHELL := /bin/bash

BIN := .venv/bin
INSTALL := $(BIN)/python -m pip install --quiet --quiet --disable-pip-version-check --no-compile --constraint constraints.txt
# Two workers: the tests that use the machine itself (mounts, memory) share the xdist group `machine`, hence one worker.
PYTEST := $(BIN)/python -m pytest -n 2 --dist loadgroup

# Each candidate is run, not only looked up: a shim of a version manager exists whether or not its Python does.
define FIND_PYTHON
for python in python3.13 python3.12 python3.11 python3; do \
	if "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then break; fi; \
	python=; \
done; \
if [ -z "$$python" ]; then \
	echo 'colab_resume needs Python 3.11 or newer, and none of python3.13, python3.12, python3.11, python3 is one.' >&2; \
	echo '  -> install one, for example: sudo apt-get install python3 python3-venv' >&2; \
	exit 1; \
fi; \
if ! "$$python" -c 'import ensurepip, venv' 2>/dev/null; then \
	echo "$$("$$python" --version) cannot make a virtual environment: its module venv or ensurepip is missing." >&2; \
	echo '  -> sudo apt-get install python3-venv (or python3.X-venv, for the version above), then run make again' >&2; \
	exit 1; \
fi
endef

.PHONY: help
help: ## this list
	@sed -nE 's/^([a-z]+):.*## (.*)/make \1\t\2/p' Makefile | expand -t 14

.PHONY: demo
demo: .venv/.demo-ready ## train, be killed, resume, and compare bit for bit, on this machine
	$(BIN)/colab-resume demo

# These fork a process for each life of a training. A fork takes longer the more its parent has imported, so they run by
# themselves, where nothing large is: among the others they took a sixth longer. 2 is what pytest says after Ctrl-C.
FORKING := $(addprefix tests/,checking folders kills matrix reliability run sessions training)

.PHONY: test
test: check ## check, then every test
	failed=0; \
	$(PYTEST) $(FORKING) || failed=$$?; \
	[ $$failed -ne 2 ] || exit 2; \
	$(PYTEST) $(FORKING:%=--ignore=%) || failed=$$?; \
	exit $$failed

.PHONY: quick
quick: .venv/.test-ready ## the tests that are not slow, with fewer examples: about a minute
	$(PYTEST) -m "not slow" --hypothesis-profile quick --ignore tests/frameworks --ignore tests/notebooks

.PHONY: check
check: .venv/.test-ready ## lint, format and types
	$(BIN)/ruff check --quiet
	$(BIN)/ruff format --check --quiet
	$(BIN)/mypy --no-error-summary

.PHONY: bench
bench: .venv/.bench-ready ## what saving costs, measured beside the others
	$(BIN)/python -m benchmarks

.PHONY: docs
docs: .venv/.docs-ready ## the documentation as a site, in build/site
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

.PHONY: clean
clean: ## remove .venv, caches and build output
	rm -rf .venv .hypothesis .mypy_cache .pytest_cache .ruff_cache build dist *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@$(FIND_PYTHON); "$$python" -m venv --clear .venv || { rm -rf .venv; exit 1; }

.venv/.demo-ready: $(BIN)/python pyproject.toml constraints.txt
	$(INSTALL) --editable ".[demo]"
	@touch $@

.venv/.docs-ready: $(BIN)/python pyproject.toml constraints.txt
	$(INSTALL) --editable ".[docs]"
	@touch $@

# The test extra contains the demo and the docs extra.
.venv/.packages-ready: $(BIN)/python pyproject.toml constraints.txt
	$(INSTALL) --editable ".[test]"
	@touch $@ .venv/.demo-ready .venv/.docs-ready

# Each goes into a folder of its own, so they are installed side by side.
PARTS := $(addprefix .venv/.,packages-ready torchvision-ready colab-ready notebook6-ready tensorflow-ready jax-ready others-ready)
LISTS := tests/colab/kernel.txt tests/display/notebook6.txt tests/frameworks/tensorflow.txt tests/frameworks/jax.txt tests/folders/others.txt
.venv/.test-ready: $(BIN)/python pyproject.toml constraints.txt $(LISTS)
	@$(MAKE) SIDE_BY_SIDE=yes --jobs=2 $(PARTS)
	@touch $@

# The bench extra contains the test extra, and the tools that colab_resume is measured beside.
.venv/.bench-ready: .venv/.test-ready
	$(INSTALL) --editable ".[bench]"
	@touch $@

# Beside the other packages, where only a test that asks for it finds it: with the CPU build of torch it cannot be
# imported without tests/shim, and packages that use it where it is there would fail.
.venv/.torchvision-ready: $(BIN)/python constraints.txt
	rm -rf .venv/torchvision
	$(INSTALL) --no-deps --target .venv/torchvision torchvision
	@touch $@

# The packages of a list beside the others as well, in a folder where only those tests look that need them.
# $(call BESIDE,folder,list,options)
define BESIDE
.venv/.$(1)-ready: $$(BIN)/python $(2)
	rm -rf .venv/$(1)
	$$(INSTALL) $(3) --target .venv/$(1) --requirement $(2)
	@touch $$@
endef

# What Colab's kernels run on, and the notebook and its widgets that are like Colab's: older than the others.
$(eval $(call BESIDE,colab,tests/colab/kernel.txt,--no-deps))
$(eval $(call BESIDE,notebook6,tests/display/notebook6.txt,))
# Large, and for processes of their own. What they share with the others (numpy, Keras, h5py) they find among them.
$(eval $(call BESIDE,tensorflow,tests/frameworks/tensorflow.txt,--no-deps))
$(eval $(call BESIDE,jax,tests/frameworks/jax.txt,--no-deps))
# They need tabulate; where that can be imported torch does so at exit, and a process that was interrupted ends otherwise.
$(eval $(call BESIDE,others,tests/folders/others.txt,--no-deps))
