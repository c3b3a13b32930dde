"""The command line: a demonstration, and the audit of tables in files."""
