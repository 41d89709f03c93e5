// The fields of a grant: where, which role, until when. What may be given is what the API says.
import { useGet } from "../api/hooks";
import type { Catalogue, Grant, Kind, Level, Me, Scope } from "../api/types";
import { useShared } from "../context";
import { endOfDay } from "../words";
import { EndFields, SelectField, SuggestField, type Suggested } from "./fields";
import { Loaded } from "./states";

/** What is in the fields; `place` is the index among the places that can be chosen. */
export type Draft = {
  kind: Kind;
  id: string;
  folder: string;
  deployment: string;
  role: string;
  until: string;
  note: string;
};

export const EMPTY: Draft = { kind: "tag", id: "", folder: "", deployment: "", role: "", until: "", note: "" };

const LEVEL: Record<Kind, Level> = {
  Organization: "ORGANIZATION",
  Workspace: "WORKSPACE",
  Deployment: "DEPLOYMENT",
  Dag: "DAG",
  tag: "DAG",
  bundle: "DAG",
  connection: "OBJECT",
  "connection prefix": "OBJECT",
  Variable: "OBJECT",
  "Variable prefix": "OBJECT",
  pool: "OBJECT",
  "pool prefix": "OBJECT",
};

/** The parts of a Deployment: what a field asks for, how the choice is called, and what it says of an unknown id. */
type Part = Exclude<Kind, "Organization" | "Workspace" | "Deployment">;
const PARTS: Record<Part, { label: string; choice: string; unknown?: string }> = {
  tag: { label: "Tag", choice: "All Dags with a tag", unknown: "No Dag that you see has this tag." },
  bundle: { label: "Bundle", choice: "All Dags of a bundle", unknown: "You see no Dag of this bundle." },
  Dag: { label: "Dag", choice: "One Dag", unknown: "You see no Dag of this id." },
  connection: { label: "Connection", choice: "One connection", unknown: "You see no connection of this id." },
  "connection prefix": { label: "How their ids begin", choice: "Connections with a prefix" },
  Variable: { label: "Variable", choice: "One Variable", unknown: "You see no Variable of this key." },
  "Variable prefix": { label: "How their keys begin", choice: "Variables with a prefix" },
  pool: { label: "Pool", choice: "One pool", unknown: "You see no pool of this name." },
  "pool prefix": { label: "How their names begin", choice: "Pools with a prefix" },
};

/** Whose existing ids a field suggests: `Variable prefix` those of `variable`. */
const suggested = (part: Part) => part.toLowerCase().replace(" prefix", "") as Suggested;

type Place = { label: string; kind: Kind; id: string; deployment: string };

const key = (place: Omit<Place, "label">) =>
  JSON.stringify([place.kind, isPart(place.kind) ? "" : place.id, place.deployment]);
export const isPart = (kind: Kind): kind is Part => kind in PARTS;

function placesOf(catalogue: Catalogue, me: Me): Place[] {
  const parts = (id: string, label: string): Place[] =>
    (Object.keys(PARTS) as Part[]).map((kind) => ({
      kind,
      id: "",
      deployment: id,
      label: `${PARTS[kind].choice}, in ${label}`,
    }));
  const whole = catalogue.places.map(({ kind, id, label }) => ({ kind, id, label, deployment: "" }));
  const here = me.rights.grant_levels.includes("DAG") ? parts(me.deployment.id, me.deployment.name || "here") : [];
  const others = catalogue.places.filter(({ kind, id }) => kind === "Deployment" && id !== me.deployment.id);
  return [...here, ...whole, ...others.flatMap(({ id, label }) => parts(id, label))];
}

export const scopeOf = (draft: Draft, me: Me): Scope => ({
  kind: draft.kind,
  id: draft.id.trim(),
  deployment_id: isPart(draft.kind) ? draft.deployment || me.deployment.id : "",
  folder: draft.kind === "bundle" ? draft.folder.trim() : "",
});

export const grantOf = (draft: Draft, me: Me): Grant => ({
  role: draft.role,
  scope: scopeOf(draft, me),
  expires_at: endOfDay(draft.until),
  note: draft.note.trim(),
});

export const isReady = (draft: Draft): boolean =>
  Boolean(draft.role && (draft.kind === "Organization" || draft.id.trim()));

/** Whether the form offers what is in the draft: a role that the user may give there. */
export const isOffered = (draft: Draft, catalogue: Catalogue, me: Me): boolean =>
  catalogue.grantable.some(({ role, level }) => role === draft.role && level === LEVEL[draft.kind]) &&
  placesOf(catalogue, me).some((place) => key(place) === keyOf(draft, me));

const keyOf = (draft: Draft, me: Me): string =>
  key({ ...draft, deployment: isPart(draft.kind) ? draft.deployment || me.deployment.id : "" });

type Props = { draft: Draft; onChange: (draft: Draft) => void; withTime?: boolean };

export function GrantFields(props: Props) {
  const answer = useGet<Catalogue>("catalogue");
  return <Loaded answer={answer}>{(catalogue) => <Fields {...props} catalogue={catalogue} />}</Loaded>;
}

function Fields({ draft, onChange, catalogue, withTime = true }: Props & { catalogue: Catalogue }) {
  const { me } = useShared();
  const set = (some: Partial<Draft>) => onChange({ ...draft, ...some });
  const places = placesOf(catalogue, me);
  const roles = catalogue.grantable.filter(({ level }) => level === LEVEL[draft.kind]);
  const chosen = roles.find(({ role }) => role === draft.role);
  const elsewhere = Boolean(draft.deployment) && draft.deployment !== me.deployment.id;
  const move = (value: string) => {
    const [kind, id, deployment] = JSON.parse(value) as [Kind, string, string];
    const keeps = LEVEL[kind] === LEVEL[draft.kind];
    set({ kind, deployment, id: isPart(kind) ? "" : id, folder: "", role: keeps ? draft.role : "" });
  };
  return (
    <>
      <SelectField
        label="Where"
        value={keyOf(draft, me)}
        onChange={move}
        choices={places.map((place) => ({ value: key(place), label: place.label }))}
      />
      {isPart(draft.kind) ? (
        <SuggestField
          kind={suggested(draft.kind)}
          label={PARTS[draft.kind].label}
          value={draft.id}
          onChange={(id) => set({ id })}
          required
          unknown={elsewhere ? undefined : PARTS[draft.kind].unknown}
          help={draft.kind.endsWith(" prefix") ? "At least 3 characters; ends in _ - . / or :" : undefined}
        />
      ) : null}
      {draft.kind === "bundle" ? (
        <SuggestField
          kind="folder"
          bundle={draft.id.trim()}
          label="Folder"
          value={draft.folder}
          onChange={(folder) => set({ folder })}
          help="Only the Dags below this folder, such as finance/; without one, all of the bundle."
        />
      ) : null}
      <SelectField
        label="Role"
        value={draft.role}
        onChange={(role) => set({ role })}
        choices={[{ value: "", label: "Choose a role" }, ...roles.map(({ role }) => ({ value: role, label: role }))]}
        help={chosen?.description}
      />
      {withTime ? <EndFields until={draft.until} note={draft.note} onChange={set} /> : null}
    </>
  );
}
