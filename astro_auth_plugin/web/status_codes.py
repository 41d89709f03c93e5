"""The status codes of the answers that the middleware gives or changes."""

UNAUTHORIZED = 401
BAD_REQUEST = 400
FORBIDDEN = 403
NOT_FOUND = 404
METHOD_NOT_ALLOWED = 405
TOO_LARGE = 413
HEAD_TOO_LARGE = 431
UNPROCESSABLE = 422
