"""What `import ulna` gives, and nothing else: see docs/python.md."""
