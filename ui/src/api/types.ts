// The shapes of the API, as its OpenAPI document says: schema.d.ts is made by `make ui`.
import type { components } from "./schema";

type Schemas = components["schemas"];

export type Account = Schemas["Account"];
export type Actions = Schemas["Actions"];
export type Advice = Schemas["Advice"];
export type BuiltIn = Schemas["BuiltInRole"];
export type Bundles = Schemas["Bundles"];
export type Catalogue = Schemas["Catalogue"];
export type CustomRole = Schemas["CustomRole"];
export type DagAccess = Schemas["DagAccess"];
export type DagsAccess = Omit<Schemas["TagAccess"], "tag">;
export type DagsOfMine = Schemas["DagsOfMine"];
export type Effect = Schemas["Effect"];
export type Explained = Schemas["Explanation"];
export type Grant = Schemas["NewGrant"];
export type GrantKey = Schemas["RoleInScope"];
export type Held = Schemas["Held"];
export type Holder = Schemas["Holder"];
export type Kind = Scope["kind"];
export type Level = Schemas["Grantable"]["level"];
export type Me = Schemas["Me"];
export type Member = Schemas["Member"];
export type OwnGrant = Schemas["Grant"];
export type Result = Schemas["Result"];
export type Roles = Schemas["Roles"];
export type Scope = Schemas["Scope"];
export type Suggestions = Schemas["Suggestions"];
export type Tags = Schemas["Tags"];
export type Team = Schemas["TeamDetail"];
export type Teams = Schemas["Teams"];
export type Token = Schemas["TokenDetail"];
export type Tokens = Schemas["Tokens"];
export type User = Schemas["UserDetail"];
export type UserRow = Schemas["UserRow"];
export type Users = Schemas["Users"];
export type Verb = Schemas["Verb"];
export type Version = Schemas["Version"];
export type VersionDifference = Schemas["VersionDifference"];
export type Versions = Schemas["Versions"];
export type WithSecret = Schemas["TokenResult"];

/** What a change or two versions have different, as far as it may be seen. */
export type Difference = Pick<Result, "changes" | "gains" | "losses"> & { hidden?: number };
