import type { Result } from "../api/types";
import { Text } from "../chakra";
import { ChangeDialog, type Send } from "./change-dialog";
import { TextField } from "./fields";
import { useState } from "../react";

/** Gives something another name; all that belongs to it comes along. */
export function RenameDialog({
  what,
  old,
  etag,
  before,
  now,
  keeps,
  send,
  onRenamed,
  onClose,
}: {
  what: string;
  old: string;
  etag: string;
  before: string[];
  now: (current: unknown) => string[];
  keeps: string;
  send: (name: string, how: Send) => Promise<Result>;
  onRenamed?: (name: string) => void;
  onClose: () => void;
}) {
  const [typed, setTyped] = useState(old);
  const name = typed.trim();
  return (
    <ChangeDialog
      title={`Rename the ${what} ${old}`}
      saveLabel="Rename"
      onClose={onClose}
      etag={etag}
      before={before}
      now={now}
      ready={Boolean(name) && name !== old}
      mine={[`the name ${name}`]}
      send={(how) => send(name, how)}
      onSaved={() => onRenamed?.(name)}
    >
      <TextField label="New name" value={typed} onChange={setTyped} required />
      <Text>{keeps}</Text>
    </ChangeDialog>
  );
}
