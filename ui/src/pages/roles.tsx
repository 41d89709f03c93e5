import { call, query } from "../api/client";
import { useGet } from "../api/hooks";
import type { BuiltIn, CustomRole, Result, Roles } from "../api/types";
import { Button, Flex, Muted, Outline, Text } from "../chakra";
import { useActionWords, useShared } from "../context";
import { More, Row, Rows, Section, Word } from "../parts/basics";
import { ChangeDialog } from "../parts/change-dialog";
import { RenameDialog } from "../parts/rename-dialog";
import { Lines, Loaded, Notice } from "../parts/states";
import { list, plural } from "../words";
import { roleLines, RoleDialog } from "./role-dialog";
import { useState } from "../react";

type Opened = { open: "create" } | { open: "edit" | "rename" | "delete"; role: CustomRole };

export function RolesPage() {
  const { me } = useShared();
  const answer = useGet<Roles>("roles");
  const words = useActionWords();
  const [opened, open] = useState<Opened>();
  const close = () => open(undefined);
  return (
    <Loaded answer={answer}>
      {({ roles, built_in }) => (
        <>
          <Section
            title="Custom roles"
            action={
              me.rights.roles ? (
                <Button size="sm" colorPalette="brand" onClick={() => open({ open: "create" })}>
                  Create a role
                </Button>
              ) : null
            }
          >
            <Muted role="status" fontSize="sm">
              {plural(roles.length, "custom role")}
            </Muted>
            <Rows
              label="Custom roles"
              head={["Role", "For", "Permissions", "Assigned", "Change"]}
              empty="No custom role. The built-in roles below are enough for most."
            >
              {roles.map((role) => (
                <Row key={role.name} cells={custom(role, me.rights.roles, open)} />
              ))}
            </Rows>
          </Section>
          <Section title="Built-in roles">
            <Rows label="Built-in roles" head={["Role", "Level", "What it allows", "May give roles"]} empty="">
              {built_in.map((role) => (
                <Row key={role.name} cells={builtIn(role, words)} />
              ))}
            </Rows>
          </Section>
          {opened?.open === "create" ? <RoleDialog onClose={close} /> : null}
          {opened?.open === "edit" ? <RoleDialog role={opened.role} onClose={close} /> : null}
          {opened?.open === "rename" ? <RenameRole role={opened.role} onClose={close} /> : null}
          {opened?.open === "delete" ? <DeleteRole role={opened.role} onClose={close} /> : null}
        </>
      )}
    </Loaded>
  );
}

const Folded = ({ label, lines }: { label: string; lines: string[] }) =>
  lines.length ? <More label={label} lines={lines} /> : <>{label}</>;

const custom = (role: CustomRole, mayChange: boolean, open: (opened: Opened) => void) => [
  <span key="name">
    <Word>{role.name}</Word>
    <Muted>{role.description}</Muted>
  </span>,
  <span key="for">
    {{ DAG: "Dags and tags", OBJECT: "Connections, Variables and pools", DEPLOYMENT: "Deployments" }[role.scope]}
    {role.restricted_workspace_ids ? <Muted>only in {list(role.restricted_workspace_ids)}</Muted> : null}
  </span>,
  <Folded key="permissions" label={plural(role.permissions.length, "permission")} lines={role.permissions} />,
  <Folded
    key="held"
    label={role.held_by.length ? plural(role.held_by.length, "time") : "not assigned"}
    lines={role.held_by}
  />,
  mayChange ? (
    <Flex key="change" gap={1} wrap="wrap">
      <Outline
        size="xs"
        aria-label={`Change ${role.name}`}
        onClick={() => open({ open: "edit", role })}
      >
        Change
      </Outline>
      <Outline
        size="xs"
        aria-label={`Rename ${role.name}`}
        onClick={() => open({ open: "rename", role })}
      >
        Rename
      </Outline>
      <Outline
        size="xs"
        aria-label={`Delete ${role.name}`}
        onClick={() => open({ open: "delete", role })}
      >
        Delete
      </Outline>
    </Flex>
  ) : (
    "–"
  ),
];

const builtIn = (role: BuiltIn, words: (name: string) => string) => [
  <span key="name">
    <Word>{role.name}</Word> {role.legacy ? <Word palette="orange">old name</Word> : null}
    <Muted>{role.description}</Muted>
  </span>,
  role.level.charAt(0) + role.level.slice(1).toLowerCase(),
  <Folded
    key="may"
    label={role.may.length ? plural(role.may.length, "action") : "nothing in Airflow"}
    lines={role.may.map(words)}
  />,
  role.gives.length ? list(role.gives.map((level) => level.toLowerCase())) : "–",
];

const RenameRole = ({ role, onClose }: { role: CustomRole; onClose: () => void }) => (
  <RenameDialog
    what="role"
    old={role.name}
    etag={role.etag}
    before={roleLines(role)}
    now={roleLines}
    keeps="Users, Teams and API tokens with the role have it by the new name."
    send={(name, { dryRun, reason, etag }) =>
      call<Result>("PUT", `roles/${encodeURIComponent(role.name)}${query({ dry_run: dryRun || null })}`, {
        etag,
        body: { name, permissions: role.permissions, description: role.description, reason },
      })
    }
    onClose={onClose}
  />
);

const DeleteRole = ({ role, onClose }: { role: CustomRole; onClose: () => void }) => (
  <ChangeDialog<Result>
    title={`Delete the role ${role.name}`}
    saveLabel="Delete"
    onClose={onClose}
    etag={role.etag}
    before={roleLines(role)}
    now={roleLines}
    mine={["the role is deleted"]}
    send={({ dryRun, reason, etag }) =>
      call("DELETE", `roles/${encodeURIComponent(role.name)}${query({ reason, dry_run: dryRun || null })}`, { etag })
    }
  >
    {role.held_by.length ? (
      <Notice status="warning" title={"It is still assigned"}>
        <Lines lines={role.held_by} />
      </Notice>
    ) : (
      <Text>It is not assigned.</Text>
    )}
  </ChangeDialog>
);
