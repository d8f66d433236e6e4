"""Vocabulary of search relevance (grades, tables, results), the teacher and the student."""

import os

# Read when torch is loaded. By default waiting threads spin, which on a shared machine takes the
# cores from the threads they wait for: two threads then label a third of what they could.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
