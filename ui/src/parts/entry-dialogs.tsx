// What is given to a user or a Team, and taken away: the same dialogs for both.

import { type ApiError, call } from "../api/client";
import { asApiError, useGet } from "../api/hooks";
import type { Catalogue, Grant, Member, OwnGrant, Result } from "../api/types";
import { Flex, Outline, Text } from "../chakra";
import { useShared } from "../context";
import { grantLine, memberLine } from "../words";
import { ChangeDialog } from "./change-dialog";
import { type Draft, EMPTY, GrantFields, grantOf, isOffered, isReady } from "./grant-form";
import { Modal } from "./modal";
import { Failure } from "./states";
import { useEffect, useState } from "../react";

/** A user or a Team: the address in the API, what the dialogs call it, and the state that the page shows. */
export type Entry = { path: string; name: string; etag: string; lines: string[] };

export const userPath = (email: string): string => `users/${encodeURIComponent(email)}`;
export const teamPath = (name: string): string => `teams/${encodeURIComponent(name)}`;

/** Describes the state of an entry in lines that can be compared. */
export function linesOf(current: unknown): string[] {
  const {
    grants = [],
    members = [],
    idp_groups = [],
  } = current as {
    grants?: Grant[];
    members?: Member[];
    idp_groups?: string[];
  };
  return [
    ...grants.map((grant) => grantLine(grant)),
    ...members.map(memberLine),
    ...idp_groups.map((group) => `group ${group}`),
  ];
}

export const patch = (entry: Entry, dryRun: boolean, etag: string, body: object) =>
  call<Result>("PATCH", `${entry.path}${dryRun ? "?dry_run=true" : ""}`, { etag, body });

type Props = { entry: Entry; onClose: () => void };

/** The dialog to give a role; one that a link asks for and the user may not give is refused at once, in words. */
export function GrantDialog({ draft = EMPTY, ...props }: Props & { draft?: Draft }) {
  const { me } = useShared();
  const { data, error } = useGet<Catalogue>(draft.role ? "catalogue" : null);
  if (!draft.role || error) return <GrantForm {...props} draft={draft} />;
  if (!data) return null;
  return isOffered(draft, data, me) ? <GrantForm {...props} draft={draft} /> : <NotGiven {...props} draft={draft} />;
}

function NotGiven({ entry, onClose, draft }: Props & { draft: Draft }) {
  const { me } = useShared();
  const [error, setError] = useState<ApiError>();
  const grant = grantOf(draft, me);
  useEffect(() => {
    // The server knows why, and who may.
    patch(entry, true, entry.etag, { grant: [grant] }).catch((failure: unknown) => setError(asApiError(failure)));
  }, []);
  return (
    <Modal title={`Give a role to ${entry.name}`} onClose={onClose}>
      <Text>
        This link is for users who may give <b>{grantLine(grant, me)}</b>. You may not.
      </Text>
      {error ? <Failure error={error} /> : null}
      <Flex justify="end" mt={4}>
        <Outline onClick={onClose}>
          Close
        </Outline>
      </Flex>
    </Modal>
  );
}

function GrantForm({ entry, onClose, draft: first }: Props & { draft: Draft }) {
  const { me } = useShared();
  const [draft, setDraft] = useState(first);
  const grant = grantOf(draft, me);
  return (
    <ChangeDialog
      title={`Give a role to ${entry.name}`}
      onClose={onClose}
      etag={entry.etag}
      before={entry.lines}
      now={linesOf}
      ready={isReady(draft)}
      mine={[grantLine(grant, me)]}
      send={({ dryRun, reason, etag }) => patch(entry, dryRun, etag, { grant: [grant], reason })}
    >
      <GrantFields draft={draft} onChange={setDraft} />
    </ChangeDialog>
  );
}

export function RevokeDialog({ entry, grant, onClose }: Props & { grant: OwnGrant }) {
  const { me } = useShared();
  const { role, scope } = grant;
  return (
    <PatchDialog
      entry={entry}
      onClose={onClose}
      title={`Revoke ${grantLine({ role, scope }, me)} from ${entry.name}`}
      body={{ revoke: [{ role, scope }] }}
      mine={[`without ${grantLine({ role, scope }, me)}`]}
    />
  );
}

/** A change that needs no form. */
export const PatchDialog = ({
  entry,
  onClose,
  title,
  body,
  mine,
}: Props & {
  title: string;
  body: object;
  mine: string[];
}) => (
  <ChangeDialog
    title={title}
    onClose={onClose}
    etag={entry.etag}
    before={entry.lines}
    now={linesOf}
    mine={mine}
    send={({ dryRun, reason, etag }) => patch(entry, dryRun, etag, { ...body, reason })}
  />
);
