"""Helpers and fixtures for all tests; ``README.md`` here explains them in a page."""
