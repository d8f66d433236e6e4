"""The command line, the dashboard and the report."""
