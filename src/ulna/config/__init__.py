"""Frozen settings and their JSON form."""
