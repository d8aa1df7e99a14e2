"""One module a target; each has `TARGET`, and takes bytes as a peer or a damaged disk would bring them."""
