"""schemathesis' own command, `st`: `python -m tests.fuzz.run`, wherever it is installed."""

from schemathesis.cli import schemathesis

if __name__ == "__main__":
    schemathesis()
