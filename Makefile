# make bench: from a fresh clone to a report.   make test: everything the tests need, then the tests.
# BENCH: further arguments of lab bench, such as BENCH='--preset quick'.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: bench test install generate clean

bench: install
	$(BIN)/lab build
	@# a failed cell or a broken claim is in the report, and in the exit status
	@status=0; $(BIN)/lab check all || status=$$?; $(BIN)/lab bench all $(BENCH) || status=$$?; \
	$(BIN)/lab count || status=$$?; $(BIN)/lab size || status=$$?; \
	$(BIN)/lab report || status=$$?; exit $$status

test: install
	$(BIN)/python -m pytest

install: $(VENV)/installed

# a stamp, so that a second make does not ask the package index again
$(VENV)/installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade pip 'setuptools<80'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[test]'
	touch $@

generate: install
	$(BIN)/lab generate

clean:
	rm -rf build $(VENV)
