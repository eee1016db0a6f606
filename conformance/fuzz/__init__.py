"""Fuzzing: requests that nobody thought of, as each persona."""
