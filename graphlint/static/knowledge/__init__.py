"""Tables of what libraries do with autograd graphs; they never import these libraries."""
