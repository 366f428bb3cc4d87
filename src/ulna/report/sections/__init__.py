"""Sections of report.html on the results of other commands, each a module and a template."""
