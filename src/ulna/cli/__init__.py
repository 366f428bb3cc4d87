"""The command line: thin verbs over the library; nothing is computed here."""
