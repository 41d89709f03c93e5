// The shapes of `/access/api/v1`.
export type Kind = "Organization" | "Workspace" | "Deployment" | "Dag" | "tag";
export type Level = "ORGANIZATION" | "WORKSPACE" | "DEPLOYMENT" | "DAG";
export type Scope = { kind: Kind; id: string; deployment_id: string };
export type GrantKey = { role: string; scope: Scope };
export type Grant = GrantKey & { expires_at: string | null; note: string };
export type OwnGrant = Grant & { may_revoke: boolean };
export type Held = Grant & {
  through: { kind: "user" | "Team"; name: string; group: string };
  implied: boolean;
};
export type Effect = { who: string[]; where: string; may: string[]; because: string };
export type Difference = { changes: string[]; gains: Effect[]; losses: Effect[] };
export type Result = Difference & {
  version: number | null;
  dry_run: boolean;
  warnings: string[];
  etag: string | null;
  patch: string | null;
  own_losses: string[];
  file?: string | null;
};
export type WithSecret = Result & { secret?: string; token?: Token };
export type Named = { id: string; name: string };
export type Me = {
  email: string;
  name: string;
  kind: "user" | "token";
  organization_id: string;
  workspace: Named;
  deployment: Named;
  policy: {
    store: "database" | "file";
    version: number | null;
    changed_at: string | null;
    author: string | null;
    file: string | null;
    read_only: boolean;
  };
  rights: {
    access: boolean;
    tokens: boolean;
    history: boolean;
    audit: boolean;
    grant_levels: Level[];
    teams: boolean;
    roles: boolean;
    create_tokens: boolean;
  };
  require_reason: boolean;
  access_contact: string;
  may: string[];
  grants: Held[];
  teams: { name: string; group: string }[];
  api_version: number;
  bundle: string;
};
export type MyDag = { dag_id: string; tags: string[]; may: string[]; grants: Held[] };
export type Action = { name: string; words: string; deployment_wide: boolean };
export type Advice = GrantKey & { extra: string[] };
export type Explained = {
  answer: "yes" | "no" | "depends";
  question: string;
  why: string;
  missing: string[];
  grants: Held[];
  advice: Advice[];
  whom_to_ask: { name: string; email: string }[];
  contact: string;
};
export type Account = { username: string; active: boolean; ambiguous: boolean };
export type UserRow = {
  email: string;
  name: string;
  accounts: Account[];
  roles: string[];
  teams: string[];
  last_sign_in: string | null;
};
export type User = {
  email: string;
  name: string;
  etag: string;
  accounts: Account[];
  grants: OwnGrant[];
  teams: { name: string; group: string; may_remove: boolean }[];
  effective: Held[];
  may: string[];
  dags: { see: number; run: number };
  last_sign_in: string | null;
};
export type TeamRow = { name: string; description: string; members: number; idp_groups: number; roles: string[] };
export type Member = { email: string; expires_at: string | null; note: string };
export type Team = {
  name: string;
  description: string;
  etag: string;
  members: Member[];
  idp_groups: string[];
  grants: OwnGrant[];
  may_change_members: boolean;
  who_may_change_members: string;
};
export type Token = {
  id: string;
  name: string;
  description: string;
  roles: GrantKey[];
  expires_at: string | null;
  expired: boolean;
  last_used: string | null;
  previous_secret_expires_at: string | null;
  etag: string;
};
export type CustomRole = {
  name: string;
  scope: "DEPLOYMENT" | "DAG";
  description: string;
  permissions: string[];
  restricted_workspace_ids: string[] | null;
  held_by: string[];
  etag: string;
};
export type BuiltIn = {
  name: string;
  level: Level;
  description: string;
  may: string[];
  gives: Level[];
  legacy: boolean;
};
export type Roles = { roles: CustomRole[]; built_in: BuiltIn[] };
export type Verb = { verb: string; deployment_word: string; dag_word: string | null };
export type Catalogue = {
  permissions: { object: string; description: string; verbs: Verb[] }[];
  templates: { name: string; scope: "DEPLOYMENT" | "DAG"; permissions: string[]; description: string }[];
  grantable: { role: string; level: Level; description: string; custom: boolean }[];
  places: (Scope & { label: string })[];
};
export type WhoMay = { who: string; kind: "user" | "token" | "group"; may: string[]; grants: Held[] };
export type DagAccess = {
  dag_id: string;
  tags: string[];
  may: string[];
  may_not: { action: string; words: string }[];
  grants: Held[];
  users: WhoMay[] | null;
  may_grant: boolean;
};
export type TagRow = { name: string; dags: number; grants: number; protected: boolean };
export type TagAccess = { tag: string; dags: string[]; users: WhoMay[] };
export type Suggestion = { value: string; label: string };
export type Version = {
  version: number;
  created_at: string;
  author: string;
  author_kind: string;
  source: string;
  reason: string;
  reverts: number | null;
  changes: string[];
  hidden: number;
};
