"""Sections of report.html on what other verbs found: one module and one template for each."""
