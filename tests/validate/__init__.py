"""Tests of the validate room and of the indexes it reads."""
