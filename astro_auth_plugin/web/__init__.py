"""What people see of the plugin in a browser, and the middleware that stands in every request."""
