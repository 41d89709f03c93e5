"""From what FAB's sign-in hands over to a person, and the guard on accounts."""
