import { useNavigate } from "react-router-dom";

import { call, query } from "../api/client";
import { useGet } from "../api/hooks";
import type { Member, OwnGrant, Result, Team, Teams } from "../api/types";
import { Button, Flex, Heading, Muted, Outline, Text } from "../chakra";
import { useShared } from "../context";
import { A, Row, Rows, Section, Word } from "../parts/basics";
import { ChangeDialog } from "../parts/change-dialog";
import {
  type Entry,
  GrantDialog,
  linesOf,
  patch,
  PatchDialog,
  RevokeDialog,
  teamPath,
} from "../parts/entry-dialogs";
import { EndFields, NamesField, SupportTick, TextField } from "../parts/fields";
import { OwnGrants, Until } from "../parts/grants";
import { RenameDialog } from "../parts/rename-dialog";
import { Loaded, Notice } from "../parts/states";
import { to } from "../place";
import { dayOf, endOfDay, memberLine, SUPPORT } from "../words";
import { SupportOff, withTyped } from "./teams";
import { useState } from "../react";

export function TeamPage({ name }: { name: string }) {
  const answer = useGet<Team>(teamPath(name));
  return <Loaded answer={answer}>{(team) => <Detail team={team} />}</Loaded>;
}

type Opened =
  | { open: "give" | "change" | "rename" | "delete" | "add" }
  | { open: "revoke"; grant: OwnGrant }
  | { open: "member"; member: Member }
  | { open: "remove"; body: object; who: string };

function Detail({ team }: { team: Team }) {
  const { me } = useShared();
  const navigate = useNavigate();
  const [opened, open] = useState<Opened>();
  const close = () => open(undefined);
  const access = useGet<Teams>(team.support ? "teams?limit=1" : null).data?.support_access;
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
        {team.support ? <Word palette="blue">Support Team</Word> : null}
        {team.description ? <Muted>{team.description}</Muted> : null}
        {me.rights.teams ? (
          <Flex gap={2}>
            <Outline onClick={() => open({ open: "change" })}>
              Change
            </Outline>
            <Outline onClick={() => open({ open: "rename" })}>
              Rename
            </Outline>
            <Outline colorPalette="red" onClick={() => open({ open: "delete" })}>
              Delete
            </Outline>
          </Flex>
        ) : null}
      </Flex>
      {team.support ? <Muted>{SUPPORT}</Muted> : null}
      {access === "disallowed" ? <SupportOff /> : null}
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
            They can be changed by {team.who_may_change_members}.
          </Notice>
        )}
        <Members
          team={team}
          onChange={(member) => open({ open: "member", member })}
          onRemove={(body, who) => open({ open: "remove", body, who })}
        />
      </Section>
      {opened?.open === "give" ? <GrantDialog entry={entry} onClose={close} /> : null}
      {opened?.open === "revoke" ? <RevokeDialog entry={entry} grant={opened.grant} onClose={close} /> : null}
      {opened?.open === "add" ? <AddMembers team={team} entry={entry} onClose={close} /> : null}
      {opened?.open === "member" ? <ChangeMember member={opened.member} entry={entry} onClose={close} /> : null}
      {opened?.open === "change" ? <ChangeTeam team={team} entry={entry} onClose={close} /> : null}
      {opened?.open === "rename" ? (
        <RenameDialog
          what="Team"
          old={team.name}
          etag={entry.etag}
          before={entry.lines}
          now={linesOf}
          keeps="Its members, groups and roles stay."
          send={(name, { dryRun, reason, etag }) => patch(entry, dryRun, etag, { name, reason })}
          onRenamed={(name) => void navigate(to("teams", name), { replace: true })}
          onClose={close}
        />
      ) : null}
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

function Members({
  team,
  onChange,
  onRemove,
}: {
  team: Team;
  onChange: (member: Member) => void;
  onRemove: (body: object, who: string) => void;
}) {
  const remove = (body: object, who: string) => (
    <Outline size="xs" aria-label={`Remove ${who}`} onClick={() => onRemove(body, who)}>
      Remove
    </Outline>
  );
  return (
    <Rows label="Members" head={["Member", "Until", "Note", "Change"]} empty="No member yet.">
      {[
        ...team.members.map((member) => (
          <Row
            key={member.email}
            cells={[
              <A key="email" href={to("users", member.email)}>
                {member.email}
              </A>,
              <Until key="until" iso={member.expires_at} />,
              member.note,
              team.may_change_members ? (
                <Flex key="change" gap={1} wrap="wrap">
                  <Outline
                    size="xs"
                    aria-label={`Change ${member.email}`}
                    onClick={() => onChange(member)}
                  >
                    Change
                  </Outline>
                  {remove({ remove_members: [member.email] }, member.email)}
                </Flex>
              ) : (
                "–"
              ),
            ]}
          />
        )),
        ...team.idp_groups.map((group) => (
          <Row
            key={`group ${group}`}
            cells={[
              `all users in the group ${group}`,
              "as the identity provider says",
              "users come and go at sign-in",
              team.may_change_groups ? remove({ remove_groups: [group] }, `the group ${group}`) : "–",
            ]}
          />
        )),
      ]}
    </Rows>
  );
}

type DialogProps = { entry: Entry; onClose: () => void };

function AddMembers({ team, entry, onClose }: DialogProps & { team: Team }) {
  const [members, setMembers] = useState<string[]>([]);
  const [member, setMember] = useState("");
  const [groups, setGroups] = useState<string[]>([]);
  const [group, setGroup] = useState("");
  const [end, setEnd] = useState({ until: "", note: "" });
  const about = { expires_at: endOfDay(end.until), note: end.note.trim() };
  const body = { add_members: withTyped(members, member), add_groups: withTyped(groups, group), ...about };
  return (
    <ChangeDialog
      title={`Add members to ${entry.name}`}
      onClose={onClose}
      etag={entry.etag}
      before={entry.lines}
      now={linesOf}
      ready={body.add_members.length + body.add_groups.length > 0}
      mine={[
        ...body.add_members.map((email) => memberLine({ email, ...about })),
        ...body.add_groups.map((one) => `group ${one}`),
      ]}
      send={({ dryRun, reason, etag }) => patch(entry, dryRun, etag, { ...body, reason })}
    >
      <NamesField kind="user" label="Members" names={members} onChange={setMembers} typed={member} onType={setMember} />
      <EndFields {...end} onChange={(some) => setEnd({ ...end, ...some })} />
      {team.may_change_groups ? (
        <NamesField
          kind={null}
          label="Groups"
          names={groups}
          onChange={setGroups}
          typed={group}
          onType={setGroup}
          help="Of the identity provider: users come and go with them at sign-in, without an end or a note."
        />
      ) : (
        <TextField
          label="Groups"
          value={team.idp_groups.join(", ") || "none"}
          onChange={() => undefined}
          help="Only Organization Owners may change the groups of a Team."
          readOnly
        />
      )}
    </ChangeDialog>
  );
}

function ChangeMember({ member, entry, onClose }: DialogProps & { member: Member }) {
  const { email, expires_at, note } = member;
  const before = { until: dayOf(expires_at), note };
  const [end, setEnd] = useState(before);
  // The hour of an end stays as long as its day does.
  const about = {
    expires_at: end.until === before.until ? expires_at : endOfDay(end.until),
    note: end.note.trim(),
  };
  return (
    <ChangeDialog
      title={`Change the membership of ${email}`}
      onClose={onClose}
      etag={entry.etag}
      before={entry.lines}
      now={linesOf}
      ready={about.expires_at !== expires_at || about.note !== note}
      mine={[memberLine({ email, ...about })]}
      send={({ dryRun, reason, etag }) => patch(entry, dryRun, etag, { add_members: [email], ...about, reason })}
    >
      <EndFields {...end} onChange={(some) => setEnd({ ...end, ...some })} />
    </ChangeDialog>
  );
}

function ChangeTeam({ team, entry, onClose }: DialogProps & { team: Team }) {
  const [description, setDescription] = useState(team.description);
  const [support, setSupport] = useState(team.support);
  const lines = (current: unknown) => {
    const { description, support } = current as Team;
    return [`description: ${description}`, support ? "Support Team" : "no Support Team", ...linesOf(current)];
  };
  const body = {
    ...(description === team.description ? {} : { description }),
    ...(support === team.support ? {} : { support }),
  };
  return (
    <ChangeDialog
      title={`Change the Team ${team.name}`}
      onClose={onClose}
      etag={entry.etag}
      before={lines(team)}
      now={lines}
      ready={Object.keys(body).length > 0}
      mine={lines({ description, support })}
      send={({ dryRun, reason, etag }) => patch(entry, dryRun, etag, { ...body, reason })}
    >
      <TextField label="Description" value={description} onChange={setDescription} />
      <SupportTick checked={support} onChange={setSupport} />
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
      onSaved={() => navigate(to("teams"))}
    >
      <Text>Its members lose what the Team gives them. The preview says who loses what.</Text>
    </ChangeDialog>
  );
}
