import os

from flask_appbuilder.const import AUTH_LDAP

AUTH_TYPE = AUTH_LDAP
AUTH_USER_REGISTRATION = True
AUTH_LDAP_SERVER = os.environ["LDAP_SERVER"]
# The account that looks for people, and where.
AUTH_LDAP_BIND_USER = "cn=airflow,dc=example,dc=com"
AUTH_LDAP_BIND_PASSWORD = os.environ["LDAP_BIND_PASSWORD"]
AUTH_LDAP_SEARCH = "ou=people,dc=example,dc=com"
AUTH_LDAP_UID_FIELD = "uid"
AUTH_LDAP_EMAIL_FIELD = "mail"
# Each value is a group, as it is: the whole name, compared letter by letter.
AUTH_LDAP_GROUP_FIELD = "memberOf"
