// A custom role: from a template or from nothing, with its permissions by object.

import { call, query } from "../api/client";
import { useGet } from "../api/hooks";
import type { Catalogue, CustomRole, Result, Verb } from "../api/types";
import { Box, Flex, Input, Muted, Text } from "../chakra";
import { ChangeDialog } from "../parts/change-dialog";
import { SelectField, TextField, Tick } from "../parts/fields";
import { Lines, Loaded, Notice } from "../parts/states";
import { plural } from "../words";
import { useState } from "../react";

type Scope = CustomRole["scope"];

export const roleLines = (current: unknown): string[] => {
  const { description, permissions } = current as CustomRole;
  return [`description: ${description}`, ...permissions];
};

export function RoleDialog({ role, onClose }: { role?: CustomRole; onClose: () => void }) {
  const answer = useGet<Catalogue>("catalogue");
  const [name, setName] = useState(role?.name ?? "");
  const [description, setDescription] = useState(role?.description ?? "");
  const [scope, setScope] = useState<Scope>(role?.scope ?? "DAG");
  const [permissions, setPermissions] = useState<string[]>(role?.permissions ?? []);
  const before = role?.permissions ?? [];
  const body = { permissions, description, ...(role ? {} : { name: name.trim(), scope }) };
  const path = role ? `roles/${encodeURIComponent(role.name)}` : "roles";
  return (
    <ChangeDialog<Result>
      title={role ? `Change the role ${role.name}` : "Create a role"}
      onClose={onClose}
      etag={role?.etag}
      before={role ? roleLines(role) : []}
      now={roleLines}
      mine={[
        ...permissions.filter((word) => !before.includes(word)).map((word) => `+ ${word}`),
        ...before.filter((word) => !permissions.includes(word)).map((word) => `− ${word}`),
      ]}
      ready={Boolean(name.trim()) && permissions.length > 0}
      send={({ dryRun, reason, etag }) =>
        call(role ? "PUT" : "POST", path + query({ dry_run: dryRun || null }), { etag, body: { ...body, reason } })
      }
    >
      {role?.held_by.length ? (
        <Notice status="info" title={`The role is assigned ${plural(role.held_by.length, "time")}; a change counts at once for all of them`}>
          <Lines lines={role.held_by} />
        </Notice>
      ) : null}
      <Loaded answer={answer}>
        {(catalogue) => (
          <>
            {role ? null : (
              <Start
                catalogue={catalogue}
                name={name}
                scope={scope}
                onName={setName}
                onStart={(to, words) => {
                  setScope(to);
                  setPermissions(words);
                }}
              />
            )}
            <TextField label="Description" value={description} onChange={setDescription} />
            <Permissions catalogue={catalogue} scope={scope} chosen={permissions} onChange={setPermissions} />
          </>
        )}
      </Loaded>
    </ChangeDialog>
  );
}

function Start({
  catalogue,
  name,
  scope,
  onName,
  onStart,
}: {
  catalogue: Catalogue;
  name: string;
  scope: Scope;
  onName: (name: string) => void;
  onStart: (scope: Scope, permissions: string[]) => void;
}) {
  const [template, setTemplate] = useState("");
  const take = (chosen: string) => {
    setTemplate(chosen);
    const found = catalogue.templates.find((one) => one.name === chosen);
    if (found) onStart(found.scope, found.permissions);
  };
  return (
    <>
      <TextField label="Name" value={name} onChange={onName} required />
      <Flex gap={3} wrap="wrap">
        <SelectField
          label="Start from"
          value={template}
          onChange={take}
          choices={[
            { value: "", label: "Nothing" },
            ...catalogue.templates.map((one) => ({ value: one.name, label: `${one.name}: ${one.description}` })),
          ]}
        />
        <SelectField
          label="Is given on"
          value={scope}
          onChange={(to) => {
            setTemplate("");
            onStart(to as Scope, []);
          }}
          choices={[
            { value: "DAG", label: "Dags and tags" },
            { value: "OBJECT", label: "Connections, Variables and pools" },
            { value: "DEPLOYMENT", label: "Deployments" },
          ]}
        />
      </Flex>
    </>
  );
}

function Permissions({
  catalogue,
  scope,
  chosen,
  onChange,
}: {
  catalogue: Catalogue;
  scope: Scope;
  chosen: string[];
  onChange: (chosen: string[]) => void;
}) {
  const [search, setSearch] = useState("");
  const word = (verb: Verb) =>
    ({ DAG: verb.dag_word, OBJECT: verb.object_word, DEPLOYMENT: verb.deployment_word })[scope];
  const toggle = (name: string, on: boolean) =>
    onChange(on ? [...chosen, name] : chosen.filter((other) => other !== name));
  const rows = catalogue.permissions
    .map((row) => ({ ...row, verbs: row.verbs.filter(word) }))
    .filter(
      ({ object, description, verbs }) =>
        verbs.length && `${object} ${description}`.toLowerCase().includes(search.toLowerCase()),
    );
  const known = new Set(catalogue.permissions.flatMap(({ verbs }) => verbs.map(word)));
  const others = chosen.filter((name) => !known.has(name));
  return (
    <Box role="group" aria-label="Permissions" my={3}>
      <Flex gap={3} align="center" mb={2} wrap="wrap">
        <Text fontWeight="bold">Permissions</Text>
        <Input
          size="sm"
          maxW="16rem"
          type="search"
          aria-label="Search permissions"
          placeholder="Search permissions"
          value={search}
          onChange={(event) => setSearch(event.target.value)}
          onKeyDown={(event) => {
            if (event.key === "Enter") event.preventDefault();
          }}
        />
        <Muted role="status">
          {chosen.length} chosen
        </Muted>
      </Flex>
      {rows.map((row) => (
        <Flex key={row.object} gap={4} wrap="wrap" borderBottomWidth="1px" py={1} role="group" aria-label={row.object}>
          <Box minW="11rem" flex="1">
            {row.object}
            <Muted fontSize="xs">
              {row.description}
            </Muted>
          </Box>
          <Flex gap={3} wrap="wrap" minW="15rem">
            {row.verbs.map((verb) => {
              const name = word(verb) ?? "";
              return (
                <Tick
                  key={name}
                  label={verb.verb}
                  checked={chosen.includes(name)}
                  onChange={(on) => toggle(name, on)}
                />
              );
            })}
          </Flex>
        </Flex>
      ))}
      {rows.length ? null : <Text>No permission matches.</Text>}
      {others.length ? (
        <Box mt={2}>
          <Text>Others, kept as they are</Text>
          <Lines lines={others} />
        </Box>
      ) : null}
    </Box>
  );
}
