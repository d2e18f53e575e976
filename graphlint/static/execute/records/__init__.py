"""Records: what all paths together have learned, on its way to the trace."""
