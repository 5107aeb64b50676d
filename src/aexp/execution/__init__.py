"""Executions: declared inputs, staged outputs, publication that survives a crash."""
