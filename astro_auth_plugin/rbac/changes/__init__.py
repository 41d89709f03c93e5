"""Changes of a policy: edits of its values, the difference of two versions, and who may make it."""
