"""What people see of the plugin in a browser, and the middleware in every request."""
