"""Rights on single connections, Variables and pools: what a request names, what is stored, and the decision."""
