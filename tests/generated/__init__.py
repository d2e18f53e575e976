"""Random small training programs, and the truth about their backward passes from running them."""
