"""The teacher: a cross-encoder with a five-way head, from human grades to soft labels."""
