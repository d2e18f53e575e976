"""Source files: which there are, what they say, and what they ask graphlint to leave alone."""
