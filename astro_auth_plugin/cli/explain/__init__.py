"""Commands that explain: explain, who-can, access, whoami, routes."""
