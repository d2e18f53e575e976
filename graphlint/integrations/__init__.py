"""graphlint inside other programs: pytest, IPython, Lightning, Hugging Face's Trainer.

Each module here is loaded by its host, and imports nothing of graphlint's runtime half before that
is used.
"""
