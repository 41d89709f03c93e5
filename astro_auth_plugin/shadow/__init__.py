"""Shadow mode: another auth manager decides, and each of its answers is compared with that of the policy."""
