"""One policy in many ways of writing it, to see that a change of a token leaves all else alone."""

from __future__ import annotations

import json

import yaml

HASH = "0123456789abcdef" * 4
TOP = """\
# Who may do what: ask platform@example.com 🙂
version: 1
organization_id: org
workspaces: [{id: ws}]   # one is enough
deployments:
    - {id: dep, workspace_id: ws}
"""
TOKENS = """\
api_tokens:   # machines
  # of the build server
  - id: one
    name: One   # é
    secret_sha256: "%s"
    expires_at: 2099-01-01T00:00:00Z
    description: |
      A pair of lines,

      one after a gap.
    # the last key
  # for the dashboards
  - {id: two, name: Two, secret_sha256: '%s', expires_at: never,
     roles: [{role: DAG_VIEWER, entity_type: DAG_TAG, entity_id: "a#b", deployment_id: dep}]}  # narrow
"""
USERS = """\

# People
users:
  - email: olga@example.com   # boss
    organization_role: ORGANIZATION_OWNER
"""
_TOKENS = TOKENS % (HASH, HASH)
_BOTH = TOP + _TOKENS + USERS
_INDENTLESS = "\n".join(line.removeprefix("  ") for line in _TOKENS.splitlines()) + "\n"
_FLOW = f"""\
api_tokens: [
  {{id: one, name: One, secret_sha256: "{HASH}", expires_at: 2099-01-01T00:00:00Z}},  # first
  {{id: two, name: Two, secret_sha256: "{HASH}", expires_at: never}},
]
"""
_DEEP = "".join(f"  {line}" for line in _BOTH.splitlines(keepends=True))

STYLES = {
    "block": _BOTH,
    "at the end": TOP + USERS + _TOKENS,
    "no end of line at the end": (TOP + USERS + _TOKENS).rstrip("\n"),
    "no indent": TOP + _INDENTLESS + USERS,
    "Windows": _BOTH.replace("\n", "\r\n"),
    "byte order mark": "\ufeff" + _BOTH,
    "flow": TOP + _FLOW + USERS,
    "JSON": json.dumps(yaml.load(TOP + _FLOW + USERS, yaml.BaseLoader) | {"version": 1}),
    "pretty JSON": json.dumps(yaml.load(TOP + _FLOW + USERS, yaml.BaseLoader) | {"version": 1}, indent=2) + "\n",
    "document markers": f"---\n{_BOTH}...\n",
    "all indented": _DEEP,
    "quoted key": _BOTH.replace("api_tokens:", '"api_tokens" :'),
    "alias in it": _BOTH.replace("- {id: dep, workspace_id: ws}", "- &dep {id: dep, workspace_id: ws}"),
}
"""With the tokens `one` and `two`."""

NO_TOKENS = {
    "no key": TOP + USERS,
    "no key, no end of line": (TOP + USERS).rstrip("\n"),
    "empty list": TOP + "api_tokens: []   # none yet\n" + USERS,
    "JSON": json.dumps(yaml.load(TOP + USERS, yaml.BaseLoader) | {"version": 1}),
    "JSON, empty list": json.dumps(yaml.load(TOP + USERS, yaml.BaseLoader) | {"version": 1, "api_tokens": []}),
    "Windows": (TOP + USERS).replace("\n", "\r\n"),
    "document markers": f"---\n{TOP}{USERS}...\n# the end\n",
    "comments at the end": TOP + USERS + "# nobody else\n\n",
}
"""Without any token."""
