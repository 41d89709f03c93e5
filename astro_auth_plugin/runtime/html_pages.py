"""Pages in plain HTML: they have to work for a user who may not use Airflow's own."""

from __future__ import annotations

from html import escape

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
  body {{ font: 16px/1.5 system-ui, sans-serif; color: #1a202c; background: #f7fafc; margin: 0; }}
  main {{ max-width: 34rem; margin: 12vh auto 0; padding: 2rem; background: #fff; border: 1px solid #e2e8f0;
          border-radius: .5rem; }}
  h1 {{ font-size: 1.4rem; margin-top: 0; }}
  a {{ color: #2b6cb0; }}
  @media (prefers-color-scheme: dark) {{
    body {{ color: #e2e8f0; background: #1a202c; }}
    main {{ background: #2d3748; border-color: #4a5568; }}
    a {{ color: #90cdf4; }}
  }}
</style>
</head>
<body>
<main>
{body}</main>
</body>
</html>
"""

_NO_ACCESS = """\
<h1>You have no access to this Airflow yet</h1>
<p>You are signed in as <strong>{email}</strong>, but you have no role here.</p>
<p>{contact}</p>
<p>Were you just granted a role? <a href="{home}">Try again</a>; you do not need to sign in again.</p>
<p><a href="{sign_out}">Sign out</a></p>
"""

_CLOSED = """\
<h1>This page is closed to you</h1>
<p>You have no role that opens <code>{path}</code>.</p>
<p>{contact}</p>
<p><a href="{home}">Go to Airflow's home page</a></p>
"""


def no_access(email: str, contact: str, root_path: str) -> str:
    """Return the page for a user who is signed in and has no permissions.

    Args:
        email: the person's e-mail.
        contact: the option `access_contact`; may be empty.
        root_path: the path under which Airflow is served, without a slash at the end.
    """
    body = _NO_ACCESS.format(
        email=escape(email),
        contact=_contact(contact),
        home=escape(f"{root_path}/"),
        sign_out=escape(f"{root_path}/api/v2/auth/logout"),
    )
    return _PAGE.format(title="No access to this Airflow", body=body)


def closed(path: str, contact: str, home: str) -> str:
    """Return the page for a user who is signed in and has opened a page that is closed to them.

    Args:
        path: the page's path.
        contact: the option `access_contact`; may be empty.
        home: the address of Airflow's home page.
    """
    body = _CLOSED.format(path=escape(path), contact=_contact(contact), home=escape(home))
    return _PAGE.format(title="This page is closed to you", body=body)


def _contact(contact: str) -> str:
    if not contact:
        return "Ask the Owner of your Workspace for a role."
    if contact.startswith(("https://", "http://")):
        return f'Ask for access here: <a href="{escape(contact)}">{escape(contact)}</a>'
    return f"To get access, ask {escape(contact)}."
