"""The student: a small feed-forward network over precomputed features, taught by the teacher."""
