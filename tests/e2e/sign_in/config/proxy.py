from flask_appbuilder.const import AUTH_REMOTE_USER

AUTH_TYPE = AUTH_REMOTE_USER
AUTH_USER_REGISTRATION = True
# The header X-Remote-User, as WSGI spells it. It should contain the e-mail of the user.
AUTH_REMOTE_USER_ENV_VAR = "HTTP_X_REMOTE_USER"
