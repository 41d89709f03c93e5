"""Commands that review a change of the policy: plan, lint, test."""
