# Each target makes .venv where it is missing or older than what it is made from, and does its job in it.
# `make PYTHON=/path/to/python` chooses the Python that .venv is made with.

.PHONY: demo docs test test-all test-fuzz fuzz-inputs test-services check

INSTALLED := .venv/.installed
PIP := .venv/bin/python -m pip --disable-pip-version-check -qq

# Draw a scene, learn its normal life, find what is odd in it.
demo: $(INSTALLED)
	@.venv/bin/oddframe demo -o demo

# Style, types and tests: what CI runs.
test: $(INSTALLED)
	@scripts/check

# The same with the tests that take minutes.
test-all: $(INSTALLED)
	@scripts/check -m "not services"

# Search for failures: tests that draw their inputs, in a new order, with new seeds and more examples. Says the seed;
# `make test-fuzz SEED=123` is that run again.
test-fuzz: $(INSTALLED)
	@scripts/fuzz $(SEED)

# Change files of every kind in a seeded way, ten minutes for each reader, and see that each gets a result or a sentence.
# `make fuzz-inputs ARGS="labels --seed 3 --minutes 1"` for a part of it.
fuzz-inputs: $(INSTALLED)
	@.venv/bin/python -m tests.support.input_fuzz $(ARGS)

# Against real programs: an RTSP server, an MQTT broker, a browser, Ray. What is missing is skipped by name, and fails where
# CI=true. Two processes share the browser tests; cameras are watched by one test at a time, since they are timed.
test-services: $(INSTALLED)
	@.venv/bin/pytest -q -rs -m services tests/services
	@.venv/bin/pytest -q -rs -m services -n 2 --dist loadfile tests/web

# The documentation as a site in build/docs/site; a link that leads nowhere is an error. `make docs ARGS=--open` serves it.
docs: .venv/.docs-installed
	@.venv/bin/python scripts/docs $(ARGS)

# Style and types only.
check: $(INSTALLED)
	@scripts/check --no-tests

# pip is pinned too: the one that Python brings along may not know dependency groups yet.
$(INSTALLED): pyproject.toml constraints.txt
	@for python in $(PYTHON) python3.11 python3; do \
	  if $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then break; fi; \
	  python=; \
	done; \
	if [ -z "$$python" ]; then \
	  echo "Oddframe needs Python 3.11 or later: neither python3.11 nor python3 is one." \
	    "Install it (Debian, Ubuntu: apt install python3.11-venv) or say where it is: make PYTHON=/path/to/python" >&2; \
	  exit 1; \
	fi; \
	echo "Installing into .venv ..." >&2; \
	[ -x .venv/bin/pip ] || $$python -m venv --clear .venv
	@$(PIP) install -c constraints.txt pip
	@$(PIP) install -c constraints.txt --build-constraint constraints.txt --group dev -e '.[all]'
	@touch $@

.venv/.docs-installed: $(INSTALLED)
	@$(PIP) install -c constraints.txt --group docs
	@touch $@
