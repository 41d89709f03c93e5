"""Commands that draft a policy from FAB's roles or from Terraform."""
