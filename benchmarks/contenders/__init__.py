"""The contenders: one file each, with IMPORTS and `work(function, files)`; see the worker."""
