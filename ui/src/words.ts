// How things are put into words.
import type { Grant, GrantKey, Held, Me, Member, Scope } from "./api/types";

/** "Dag `x`", "the Deployment demo": where a grant reaches, in the words of the policy. */
export function where(scope: Scope, me?: Me): string {
  const named = (known: { id: string; name: string } | undefined) =>
    known?.id === scope.id && known.name ? known.name : scope.id;
  const elsewhere = scope.deployment_id && me && scope.deployment_id !== me.deployment.id;
  const suffix = elsewhere ? ` in ${scope.deployment_id}` : "";
  switch (scope.kind) {
    case "Organization":
      return "the Organization";
    case "Workspace":
      return `Workspace ${named(me?.workspace)}`;
    case "Deployment":
      return `Deployment ${named(me?.deployment)}`;
    default:
      return `${scope.folder ? `folder ${scope.folder} of ` : ""}${scope.kind} ${scope.id}${suffix}`;
  }
}

export const grantLine = (grant: Grant | GrantKey, me?: Me): string => {
  const until = "expires_at" in grant && grant.expires_at ? ` until ${time(grant.expires_at)}` : "";
  return `${grant.role} on ${where(grant.scope, me)}${until}`;
};

/** Whether it is held directly, or by which Team and group. */
export function through(held: Held): string {
  const { kind, name, group } = held.through;
  if (kind === "token") return "role of the API token";
  if (kind !== "Team") return held.implied ? "comes with a role on Dags or objects" : "given directly";
  return group ? `Team ${name}, by the group ${group}` : `Team ${name}`;
}

export const SUPPORT =
  "A Support Team can only have roles that read, and Organization Owners can switch all Support Teams off at once.";

const language = (): string => document.documentElement.lang || "en";

export const time = (iso: string): string =>
  new Date(iso).toLocaleString(language(), { dateStyle: "medium", timeStyle: "short" });

const STEPS: [Intl.RelativeTimeFormatUnit, number][] = [
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
];

/** "12 minutes ago", "in 3 days". */
export function ago(iso: string, now = Date.now()): string {
  const seconds = (new Date(iso).getTime() - now) / 1000;
  const words = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
  for (const [unit, length] of STEPS) {
    if (Math.abs(seconds) >= length) return words.format(Math.round(seconds / length), unit);
  }
  return Math.abs(seconds) < 10 ? "just now" : words.format(Math.round(seconds), "second");
}

export const plural = (count: number, one: string, more = `${one}s`): string =>
  `${count.toLocaleString("en")} ${count === 1 ? one : more}`;

/** "see, run and pause". */
export function list(words: string[], last = "and"): string {
  if (words.length < 2) return words.join("");
  return `${words.slice(0, -1).join(", ")} ${last} ${words.at(-1)}`;
}

/** The end of a day that was chosen in a form, as the API wants it; null for none. */
export const endOfDay = (day: string): string | null => (day ? `${day}T23:59:59Z` : null);

/** The day in UTC, for a form. */
export const dayOf = (iso: string | null): string => iso?.slice(0, 10) ?? "";

export const memberLine = ({ email, expires_at, note }: Member): string =>
  `member ${email}${expires_at ? ` until ${time(expires_at)}` : ""}${note ? ` (${note})` : ""}`;
