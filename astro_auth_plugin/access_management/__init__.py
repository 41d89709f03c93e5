"""Changes of the policy in the metadata database: decided on, published, and recorded."""
