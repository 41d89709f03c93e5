import { useNavigate } from "react-router-dom";

import { call } from "../api/client";
import type { Result, Teams as TeamList } from "../api/types";
import { Button, Input, Muted, Outline, Text } from "../chakra";
import { useShared } from "../context";
import { A, Row, Rows, Section, Word, Words } from "../parts/basics";
import { ChangeDialog } from "../parts/change-dialog";
import { NamesField, SupportTick, TextField, Tick } from "../parts/fields";
import { EMPTY, GrantFields, grantOf, isReady } from "../parts/grant-form";
import { Listing } from "../parts/listing";
import { Notice } from "../parts/states";
import { to } from "../place";
import { endOfDay, plural, SUPPORT } from "../words";
import { useState } from "../react";

export function Teams() {
  const { me } = useShared();
  const [adding, setAdding] = useState(false);
  return (
    <>
      <Listing<TeamList>
        path="teams"
        noun="Team"
        action={
          me.rights.teams ? (
            <Button size="sm" colorPalette="brand" onClick={() => setAdding(true)}>
              Create a Team
            </Button>
          ) : (
            <Muted>Organization Owners create Teams.</Muted>
          )
        }
      >
        {({ teams, support_access }) => (
          <>
            {support_access === "disallowed" ? <SupportOff /> : null}
            <Rows
              label="Teams"
              head={["Team", "Members", "Groups", "Roles"]}
              empty="No Team matches. A Team gives its roles to all of its members at once."
            >
              {teams.map((team) => (
                <Row
                  key={team.name}
                  cells={[
                    <span key="name">
                      <A href={to("teams", team.name)}>{team.name}</A>{" "}
                      {team.support ? <Word palette="blue">Support Team</Word> : null}
                      <Muted>{team.description}</Muted>
                    </span>,
                    plural(team.members, "member"),
                    team.idp_groups ? plural(team.idp_groups, "group") : "–",
                    <Words key="roles" words={team.roles} />,
                  ]}
                />
              ))}
            </Rows>
            {me.rights.teams || teams.some(({ support }) => support) ? <Support access={support_access} /> : null}
          </>
        )}
      </Listing>
      {adding ? <CreateTeam onClose={() => setAdding(false)} /> : null}
    </>
  );
}

export const SupportOff = () => (
  <Notice status="warning" title="Support access is disallowed">
    The roles of Support Teams have no effect until an Organization Owner allows support access.
  </Notice>
);

function Support({ access }: { access: TeamList["support_access"] }) {
  const { me } = useShared();
  const [switching, setSwitching] = useState(false);
  const [label, wanted] = access === "allowed" ? (["Disallow", "disallowed"] as const) : (["Allow", "allowed"] as const);
  const title = `${label} support access`;
  return (
    <Section
      title="Support access"
      action={
        me.rights.teams ? (
          <Outline onClick={() => setSwitching(true)}>
            {title}
          </Outline>
        ) : null
      }
    >
      {access === "allowed" ? <Text>Support access is allowed.</Text> : null}
      <Muted>{SUPPORT}</Muted>
      {switching ? (
        <ChangeDialog
          title={title}
          saveLabel={label}
          onClose={() => setSwitching(false)}
          send={({ dryRun, reason }) =>
            call<Result>("PUT", `support_access${dryRun ? "?dry_run=true" : ""}`, {
              body: { support_access: wanted, reason },
            })
          }
        >
          <Text>
            {access === "allowed"
              ? "The roles of all Support Teams have no effect from then on. Other roles of their members stay."
              : "The roles of all Support Teams have an effect again."}
          </Text>
        </ChangeDialog>
      ) : null}
    </Section>
  );
}

function CreateTeam({ onClose }: { onClose: () => void }) {
  const { me } = useShared();
  const navigate = useNavigate();
  const [name, setName] = useState("");
  const [description, setDescription] = useState("");
  const [support, setSupport] = useState(false);
  const [members, setMembers] = useState<string[]>([]);
  const [member, setMember] = useState("");
  const [ends, setEnds] = useState<Record<string, string>>({});
  const [groups, setGroups] = useState<string[]>([]);
  const [group, setGroup] = useState("");
  const [gives, setGives] = useState(false);
  const [draft, setDraft] = useState(EMPTY);
  const body = {
    name: name.trim(),
    description,
    support,
    members: withTyped(members, member).map((email) => ({ email, expires_at: endOfDay(ends[email] ?? "") })),
    idp_groups: withTyped(groups, group),
    grant: gives ? [grantOf(draft, me)] : [],
  };
  return (
    <ChangeDialog
      title="Create a Team"
      saveLabel="Create"
      onClose={onClose}
      ready={Boolean(name.trim()) && (!gives || isReady(draft))}
      send={({ dryRun, reason }) =>
        call<Result>("POST", `teams${dryRun ? "?dry_run=true" : ""}`, { body: { ...body, reason } })
      }
      onSaved={() => navigate(to("teams", name.trim()))}
    >
      <TextField label="Name" value={name} onChange={setName} required />
      <TextField label="Description" value={description} onChange={setDescription} />
      <SupportTick checked={support} onChange={setSupport} />
      <NamesField
        kind="user"
        label="Members"
        names={members}
        onChange={setMembers}
        typed={member}
        onType={setMember}
        help="Once added, a member can have a last day, in UTC. Empty: no end."
        more={(email) => (
          <Input
            size="2xs"
            width="auto"
            type="date"
            aria-label={`Last day of ${email}`}
            value={ends[email] ?? ""}
            onChange={(event) => setEnds({ ...ends, [email]: event.target.value })}
          />
        )}
      />
      <NamesField
        kind={null}
        label="Groups"
        names={groups}
        onChange={setGroups}
        typed={group}
        onType={setGroup}
        help="Of the identity provider: users come and go with them at sign-in."
      />
      <Tick label="Give it a role at once" checked={gives} onChange={setGives} />
      {gives ? <GrantFields draft={draft} onChange={setDraft} /> : null}
    </ChangeDialog>
  );
}

/** What is still in the field counts too: not every user presses Add. */
export const withTyped = (names: string[], typed: string): string[] =>
  typed.trim() && !names.includes(typed.trim()) ? [...names, typed.trim()] : names;
