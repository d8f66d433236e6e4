"""Metrics, agreement, intervals, comparisons and experiments."""
