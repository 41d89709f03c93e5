"""`make bench`: how long this plugin, other auth managers and two general engines take for the same work."""
