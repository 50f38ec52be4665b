"""Configuration: the YAML file, its models, its errors and the types of its values."""

from __future__ import annotations
