"""Loads the Wardproof plugin, so that plain `pytest suites --target DIR` works in a checkout."""

pytest_plugins = ["conformance.plugin"]
