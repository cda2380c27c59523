# make run   set up, then every core notebook headless on the starter corpus
# make test  set up, then all tests
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: run test setup clean

run: $(VENV)/.ready
	$(BIN)/python -m helpers run

test: $(VENV)/.ready-tests
	$(BIN)/python -m pytest -q -n 2 --dist loadfile tests

setup: $(VENV)/.ready

$(VENV)/.ready: requirements.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	touch $@

$(VENV)/.ready-tests: $(VENV)/.ready tests/requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r tests/requirements.txt
	touch $@

# Removes what can be made again: unpacked data and features. Run folders stay.
clean:
	rm -rf work
