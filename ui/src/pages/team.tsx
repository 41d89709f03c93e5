import { useState } from "react";
import { useNavigate } from "react-router-dom";

import { call, query } from "../api/client";
import { useGet } from "../api/hooks";
import type { OwnGrant, Result, Team } from "../api/types";
import { Button, Flex, Heading, Text } from "../chakra";
import { useShared } from "../context";
import { A, Row, Rows, Section } from "../parts/basics";
import { ChangeDialog } from "../parts/change-dialog";
import { type Entry, GrantDialog, linesOf, PatchDialog, RevokeDialog, teamPath } from "../parts/entry-dialogs";
import { NamesField } from "../parts/fields";
import { OwnGrants, Until } from "../parts/grants";
import { Loaded, Notice } from "../parts/states";
import { to } from "../place";
import { withTyped } from "./teams";

export function TeamPage({ name }: { name: string }) {
  const answer = useGet<Team>(teamPath(name));
  return <Loaded answer={answer}>{(team) => <Detail team={team} />}</Loaded>;
}

type Opened =
  | { open: "give" | "delete" | "add" }
  | { open: "revoke"; grant: OwnGrant }
  | { open: "remove"; body: object; who: string };

function Detail({ team }: { team: Team }) {
  const { me } = useShared();
  const [opened, open] = useState<Opened>();
  const close = () => open(undefined);
  const entry: Entry = {
    path: teamPath(team.name),
    name: `the Team ${team.name}`,
    etag: team.etag,
    lines: linesOf(team),
  };
  const gives = me.rights.grant_levels.length > 0;
  return (
    <>
      <Flex gap={3} align="center" wrap="wrap" mt={2}>
        <Heading size="lg" as="h2" overflowWrap="anywhere">
          {team.name}
        </Heading>
        <Text color="fg.muted">{team.description}</Text>
        {me.rights.teams ? (
          <Button size="sm" variant="outline" colorPalette="red" onClick={() => open({ open: "delete" })}>
            Delete
          </Button>
        ) : null}
      </Flex>
      <Section
        title="Roles of this Team"
        action={gives ? <Act label="Give a role" onClick={() => open({ open: "give" })} /> : null}
      >
        <OwnGrants
          grants={team.grants}
          label="Roles"
          empty="This Team gives nothing yet."
          onRevoke={(grant) => open({ open: "revoke", grant })}
        />
      </Section>
      <Section
        title="Members"
        action={team.may_change_members ? <Act label="Add members" onClick={() => open({ open: "add" })} /> : null}
      >
        {team.may_change_members ? null : (
          <Notice status="info" title="You may not change the members">
            {team.who_may_change_members}
          </Notice>
        )}
        <Members team={team} onRemove={(body, who) => open({ open: "remove", body, who })} />
      </Section>
      {opened?.open === "give" ? <GrantDialog entry={entry} onClose={close} /> : null}
      {opened?.open === "revoke" ? <RevokeDialog entry={entry} grant={opened.grant} onClose={close} /> : null}
      {opened?.open === "add" ? <AddMembers entry={entry} onClose={close} /> : null}
      {opened?.open === "delete" ? <DeleteTeam team={team} onClose={close} /> : null}
      {opened?.open === "remove" ? (
        <PatchDialog
          entry={entry}
          onClose={close}
          title={`Remove ${opened.who} from the Team ${team.name}`}
          body={opened.body}
          mine={[`without ${opened.who}`]}
        />
      ) : null}
    </>
  );
}

const Act = ({ label, onClick }: { label: string; onClick: () => void }) => (
  <Button size="sm" colorPalette="brand" onClick={onClick}>
    {label}
  </Button>
);

function Members({ team, onRemove }: { team: Team; onRemove: (body: object, who: string) => void }) {
  const remove = (body: object, who: string) =>
    team.may_change_members ? (
      <Button size="xs" variant="outline" aria-label={`Remove ${who}`} onClick={() => onRemove(body, who)}>
        Remove
      </Button>
    ) : (
      "–"
    );
  return (
    <Rows label="Members" head={["Member", "Until", "Note", "Change"]} empty={<Text>No member yet.</Text>}>
      {[
        ...team.members.map(({ email, expires_at, note }) => (
          <Row
            key={email}
            cells={[
              <A key="email" href={to("users", email)}>
                {email}
              </A>,
              <Until key="until" iso={expires_at} />,
              note,
              remove({ remove_members: [email] }, email),
            ]}
          />
        )),
        ...team.idp_groups.map((group) => (
          <Row
            key={`group ${group}`}
            cells={[
              `everybody in the group ${group}`,
              "as the identity provider says",
              "users come and go at sign-in",
              remove({ remove_groups: [group] }, `the group ${group}`),
            ]}
          />
        )),
      ]}
    </Rows>
  );
}

function AddMembers({ entry, onClose }: { entry: Entry; onClose: () => void }) {
  const [members, setMembers] = useState<string[]>([]);
  const [member, setMember] = useState("");
  const [groups, setGroups] = useState<string[]>([]);
  const [group, setGroup] = useState("");
  const body = { add_members: withTyped(members, member), add_groups: withTyped(groups, group) };
  return (
    <ChangeDialog
      title={`Add members to ${entry.name}`}
      onClose={onClose}
      etag={entry.etag}
      before={entry.lines}
      now={linesOf}
      ready={body.add_members.length + body.add_groups.length > 0}
      mine={[...body.add_members.map((one) => `member ${one}`), ...body.add_groups.map((one) => `group ${one}`)]}
      send={({ dryRun, reason, etag }) =>
        call<Result>("PATCH", `${entry.path}${query({ dry_run: dryRun || null })}`, { etag, body: { ...body, reason } })
      }
    >
      <NamesField kind="user" label="Members" names={members} onChange={setMembers} typed={member} onType={setMember} />
      <NamesField
        kind={null}
        label="Groups"
        names={groups}
        onChange={setGroups}
        typed={group}
        onType={setGroup}
        help="Of the identity provider: users come and go with them at sign-in."
      />
    </ChangeDialog>
  );
}

function DeleteTeam({ team, onClose }: { team: Team; onClose: () => void }) {
  const navigate = useNavigate();
  return (
    <ChangeDialog
      title={`Delete the Team ${team.name}`}
      saveLabel="Delete"
      onClose={onClose}
      etag={team.etag}
      before={linesOf(team)}
      now={linesOf}
      mine={["the Team is deleted"]}
      send={({ dryRun, reason, etag }) =>
        call<Result>("DELETE", `${teamPath(team.name)}${query({ reason, dry_run: dryRun || null })}`, { etag })
      }
      onSaved={() => void navigate(to("teams"))}
    >
      <Text>Its members lose what the Team gives them. The preview says who loses what.</Text>
    </ChangeDialog>
  );
}
