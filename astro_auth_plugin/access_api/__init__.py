"""The API of access, and the files of the Access pages: `/access` of the api-server."""
