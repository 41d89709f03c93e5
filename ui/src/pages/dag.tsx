// Who may do what on one Dag: the Dag's tab, and the same inside of the Access pages.

import { call, query } from "../api/client";
import { useGet } from "../api/hooks";
import type { DagAccess, Result } from "../api/types";
import { Button, Flex, Heading, Text } from "../chakra";
import { useShared } from "../context";
import { A, ActionWords, Section, Words } from "../parts/basics";
import { ChangeDialog } from "../parts/change-dialog";
import { teamPath, userPath } from "../parts/entry-dialogs";
import { SelectField, SuggestField } from "../parts/fields";
import { type Draft, EMPTY, GrantFields, grantOf, isReady, scopeOf } from "../parts/grant-form";
import { HeldGrants } from "../parts/grants";
import { Loaded } from "../parts/states";
import { WhoMayTable } from "../parts/who-may";
import { to } from "../place";
import { grantLine, where } from "../words";
import { Explain } from "./explain";
import { useState } from "../react";

export function DagPage({ dagId, title = false }: { dagId: string; title?: boolean }) {
  const [offset, go] = useState(0);
  const answer = useGet<DagAccess>(`dags/${encodeURIComponent(dagId)}/access${query({ offset: offset || "" })}`);
  return (
    <Loaded answer={answer}>
      {(access) => <Detail access={access} title={title} offset={offset} go={go} />}
    </Loaded>
  );
}

type DetailProps = { access: DagAccess; title: boolean; offset: number; go: (offset: number) => void };

function Detail({ access, title, offset, go }: DetailProps) {
  const [draft, give] = useState<Draft>();
  const { dag_id, tags, places, may, may_not, users } = access;
  return (
    <>
      {title ? (
        <Heading size="lg" as="h2" overflowWrap="anywhere" mt={2}>
          Access to {dag_id}
        </Heading>
      ) : null}
      <Section title="You">
        <Text>You may:</Text>
        <ActionWords names={may} empty="nothing on this Dag" />
        {may_not.length ? <Text mt={2}>You may not:</Text> : null}
        <Words words={may_not.map(({ words }) => words)} empty="" />
        <Text mt={2}>Because of:</Text>
        <HeldGrants
          grants={access.grants}
          label="Your roles on this Dag"
          empty="You have no role that counts on this Dag."
        />
      </Section>
      <Section title="Tags">
        {users ? <Links of={tags.map((tag) => [tag, to("tags", tag)])} /> : <Words words={tags} empty="" />}
        {tags.length ? null : "This Dag has no tag."}
      </Section>
      <Section title="Bundle and folders">
        {users ? (
          <Links of={places.map((place) => [where(place), to("bundles", place.id, place.folder)])} />
        ) : (
          <Words words={places.map((place) => where(place))} empty="" />
        )}
      </Section>
      {users ? (
        <Section title="Who has access" action={access.may_grant ? <GiveButtons access={access} give={give} /> : null}>
          <WhoMayTable
            users={users}
            total={access.total_users}
            offset={offset}
            go={go}
            label={`Who may do what on ${dag_id}`}
          />
        </Section>
      ) : null}
      {may_not.length ? <Explain dag={dag_id} /> : null}
      {draft ? <GiveDialog draft={draft} onClose={() => give(undefined)} /> : null}
    </>
  );
}

const Links = ({ of }: { of: [string, string][] }) => (
  <Flex gap={3} wrap="wrap">
    {of.map(([text, href]) => (
      <A key={href} href={href}>
        {text}
      </A>
    ))}
  </Flex>
);

const GiveButtons = ({ access, give }: { access: DagAccess; give: (draft: Draft) => void }) => (
  <Flex gap={2} wrap="wrap">
    <Button size="sm" colorPalette="brand" onClick={() => give({ ...EMPTY, kind: "Dag", id: access.dag_id })}>
      Give access to this Dag
    </Button>
    {access.tags.map((tag) => (
      <Button key={tag} size="sm" variant="outline" onClick={() => give({ ...EMPTY, kind: "tag", id: tag })}>
        … to the tag {tag}
      </Button>
    ))}
  </Flex>
);

/** Gives a role to a user or a Team that is chosen in the dialog; its state is read right before. */
export function GiveDialog({ draft: first, onClose }: { draft: Draft; onClose: () => void }) {
  const { me } = useShared();
  const [draft, setDraft] = useState(first);
  const [kind, setKind] = useState("user");
  const [name, setName] = useState("");
  const path = kind === "user" ? userPath(name.trim()) : teamPath(name.trim());
  const grant = grantOf(draft, me);
  const fresh = async (etag: string) => etag || (await call<{ etag: string }>("GET", path)).etag;
  return (
    <ChangeDialog<Result>
      title={`Give access to ${where(scopeOf(first, me), me)}`}
      onClose={onClose}
      ready={isReady(draft) && (kind === "team" ? Boolean(name.trim()) : name.includes("@"))}
      mine={[grantLine(grant, me)]}
      send={async ({ dryRun, reason, etag }) =>
        call("PATCH", path + (dryRun ? "?dry_run=true" : ""), {
          etag: await fresh(etag),
          body: { grant: [grant], reason },
        })
      }
    >
      <SelectField
        label="To"
        value={kind}
        onChange={(to) => {
          setKind(to);
          setName("");
        }}
        choices={[
          { value: "user", label: "A user" },
          { value: "team", label: "A Team" },
        ]}
      />
      <SuggestField
        key={kind}
        kind={kind === "team" ? "team" : "user"}
        label={kind === "team" ? "Team" : "E-mail"}
        value={name}
        onChange={setName}
        required
      />
      <GrantFields draft={draft} onChange={setDraft} />
    </ChangeDialog>
  );
}
