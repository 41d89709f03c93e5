// One user: what counts first and why, then what was given directly.
import { useSearchParams } from "react-router-dom";

import { useGet } from "../api/hooks";
import type { Kind, OwnGrant, User } from "../api/types";
import { Button, Flex, Heading, Muted, Outline, Text } from "../chakra";
import { useShared } from "../context";
import { A, ActionWords, Row, Rows, Section } from "../parts/basics";
import {
  type Entry,
  GrantDialog,
  linesOf,
  PatchDialog,
  RevokeDialog,
  teamPath,
  userPath,
} from "../parts/entry-dialogs";
import { type Draft, EMPTY } from "../parts/grant-form";
import { HeldGrants, OwnGrants, Until } from "../parts/grants";
import { Loaded } from "../parts/states";
import { to } from "../place";
import { ago, plural } from "../words";
import { Explain } from "./explain";
import { AccountState } from "./users";
import { useState } from "../react";

export function UserPage({ email }: { email: string }) {
  const answer = useGet<User>(userPath(email));
  return <Loaded answer={answer}>{(user) => <Detail user={user} />}</Loaded>;
}

function signedIn({ accounts, last_sign_in }: User): string {
  if (!accounts?.length) return "No account has this e-mail yet: roles take effect once one does.";
  return last_sign_in ? `Signed in ${ago(last_sign_in)}` : "Never signed in";
}

type Opened = { revoke: OwnGrant } | { leave: string } | undefined;

function Detail({ user }: { user: User }) {
  const { me } = useShared();
  const [opened, open] = useState<Opened>();
  const [draft, give, giveNot] = useDraft();
  const close = () => open(undefined);
  const entry: Entry = { path: userPath(user.email), name: user.email, etag: user.etag, lines: linesOf(user) };
  return (
    <>
      <Flex gap={3} align="center" wrap="wrap" mt={2}>
        <Heading size="lg" as="h2" overflowWrap="anywhere">
          {user.email}
        </Heading>
        {user.accounts ? <AccountState accounts={user.accounts} /> : null}
      </Flex>
      {user.accounts ? (
        <Muted>{signedIn(user)}</Muted>
      ) : null}
      <Section title="What this user may do here">
        <Text mb={2}>Sees {plural(user.sees_dags, "Dag")}. In the whole Deployment:</Text>
        <ActionWords names={user.may} empty="nothing" />
        <HeldGrants
          grants={user.effective}
          label="Roles that count, and why"
          empty="No role counts in this Deployment."
        />
      </Section>
      <Section
        title="Roles given to this user directly"
        action={
          me.rights.grant_levels.length ? (
            <Button size="sm" colorPalette="brand" onClick={() => give(EMPTY)}>
              Give a role
            </Button>
          ) : null
        }
      >
        <OwnGrants
          grants={user.grants}
          label="Roles given directly"
          empty="No role was given directly."
          onRevoke={(revoke) => open({ revoke })}
        />
      </Section>
      <Section title="Teams">
        <Teams user={user} onLeave={(leave) => open({ leave })} />
      </Section>
      {me.rights.access ? <Explain as={user.email} /> : null}
      {draft ? <GrantDialog entry={entry} draft={draft} onClose={giveNot} /> : null}
      {opened && "revoke" in opened ? <RevokeDialog entry={entry} grant={opened.revoke} onClose={close} /> : null}
      {opened && "leave" in opened ? <Leave team={opened.leave} email={user.email} onClose={close} /> : null}
    </>
  );
}

const Teams = ({ user, onLeave }: { user: User; onLeave: (team: string) => void }) => (
  <Rows label="Teams" head={["Team", "Member", "Until", "Change"]} empty="In no Team.">
    {user.teams.map(({ name, group, expires_at, may_remove }) => (
      <Row
        key={name + group}
        cells={[
          <A key="name" href={to("teams", name)}>
            {name}
          </A>,
          group ? `by the group ${group}, which is decided at sign-in` : "by name",
          group ? "–" : <Until key="until" iso={expires_at} />,
          may_remove ? (
            <Outline size="xs" onClick={() => onLeave(name)} aria-label={`Remove from ${name}`}>
              Remove
            </Outline>
          ) : (
            <Muted>not by you</Muted>
          ),
        ]}
      />
    ))}
  </Rows>
);

/** The Team is what changes, so its state counts; it is read when the dialog opens. */
function Leave({ team, email, onClose }: { team: string; email: string; onClose: () => void }) {
  const answer = useGet<{ etag: string }>(teamPath(team));
  if (!answer.data) return null;
  const entry = { path: teamPath(team), name: team, etag: answer.data.etag, lines: linesOf(answer.data) };
  return (
    <PatchDialog
      entry={entry}
      onClose={onClose}
      title={`Remove ${email} from the Team ${team}`}
      body={{ remove_members: [email] }}
      mine={[`without member ${email}`]}
    />
  );
}

/** The dialog to give a role, opened by a button or by the address: `?grant=ROLE&kind=tag&id=…`. */
function useDraft(): [Draft | undefined, (draft: Draft) => void, () => void] {
  const [params, setParams] = useSearchParams();
  const asked = params.get("grant");
  const [draft, setDraft] = useState<Draft | undefined>(
    asked === null
      ? undefined
      : {
          ...EMPTY,
          role: asked,
          kind: (params.get("kind") as Kind | null) ?? "tag",
          id: params.get("id") ?? "",
          deployment: params.get("deployment") ?? "",
        },
  );
  const close = () => {
    setDraft(undefined);
    setParams({}, { replace: true });
  };
  return [draft, setDraft, close];
}
