"""The language: what expressions, statements, calls and loops do."""
