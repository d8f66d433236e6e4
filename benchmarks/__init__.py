"""Gradewise and its peers on the same files in one run: `make bench`.

- `data.py` writes the files from a seed; `contenders/` has one file a contender; `suite.py` says
  which contenders meet on which files, and what is wanted.
- `worker.py` runs one contender in a process of its own (ours in this environment, peers in theirs)
  and reports seconds, CPU, peak memory and figures; `harness.py` runs them in turn, checks that
  figures agree, and takes medians; `report.py` writes docs/benchmarks.md.

Nothing here is part of the distribution, and no test depends on a time.
"""
