import os

from flask_appbuilder.const import AUTH_LDAP

AUTH_TYPE = AUTH_LDAP
AUTH_USER_REGISTRATION = True
AUTH_LDAP_SERVER = os.environ["LDAP_SERVER"]
# The account that searches for users, and the base of the search.
AUTH_LDAP_BIND_USER = "cn=airflow,dc=example,dc=com"
AUTH_LDAP_BIND_PASSWORD = os.environ["LDAP_BIND_PASSWORD"]
AUTH_LDAP_SEARCH = "ou=people,dc=example,dc=com"
AUTH_LDAP_UID_FIELD = "uid"
AUTH_LDAP_EMAIL_FIELD = "mail"
# Each value is a group: the full name, compared exactly.
AUTH_LDAP_GROUP_FIELD = "memberOf"
