"""FAB's accounts and what the plugin stores about them; who may change them, and whose they are."""
