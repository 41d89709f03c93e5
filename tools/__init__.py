"""What developers run: the demo, and what installs it. No part of the package."""
