"""Vocabulary of search relevance (grades, tables, results), the teacher and the student."""
