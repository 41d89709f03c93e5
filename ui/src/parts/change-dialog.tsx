// The one dialog of every change: a form, a preview of who gains and loses what, then Save.
import type { ReactNode } from "react";

import { ApiError } from "../api/client";
import { asApiError, policyChanged } from "../api/hooks";
import type { Result } from "../api/types";
import { Box, Button, Flex, Outline, Text } from "../chakra";
import { useShared } from "../context";
import { Preview, Patch } from "./difference";
import { AreaField } from "./fields";
import { Modal } from "./modal";
import { Failure, Lines, Notice } from "./states";
import { useState } from "../react";

export type Send = { dryRun: boolean; reason: string; etag: string };

type Props<R extends Result> = {
  title: string;
  onClose: () => void;
  /** Sends the change; `etag` is that of the state which it is meant for. */
  send: (how: Send) => Promise<R>;
  children?: ReactNode;
  ready?: boolean;
  etag?: string;
  saveLabel?: string;
  /** What the change says in its own words, beside what others changed meanwhile. */
  mine?: string[];
  /** The lines that describe the thing: of the state that the form was made from, and of the one there is now. */
  before?: string[];
  now?: (current: unknown) => string[];
  onSaved?: (result: R) => void | Promise<void>;
};

export function ChangeDialog<R extends Result>(props: Props<R>) {
  const { me, done } = useShared();
  const [reason, setReason] = useState("");
  const [etag, setEtag] = useState(props.etag ?? "");
  const [preview, setPreview] = useState<R>();
  const [error, setError] = useState<ApiError>();
  const [busy, setBusy] = useState(false);

  const run = async (dryRun: boolean, tag = etag) => {
    setBusy(true);
    setError(undefined);
    try {
      const result = await props.send({ dryRun, reason, etag: tag });
      if (dryRun) return setPreview(result);
      props.onClose();
      // An older version does not take API tokens back, so a secret that was revoked stays invalid.
      done({ version: result.version, revertible: result.changes.some((line) => !/^. API token /.test(line)) });
      // First to the next page, if there is one: of what was deleted nothing is to be asked.
      await props.onSaved?.(result);
      policyChanged();
    } catch (failure) {
      setPreview(undefined);
      setError(asApiError(failure));
    } finally {
      setBusy(false);
    }
  };
  const onTop = () => {
    const fresh = String((error?.body.current as { etag?: string } | undefined)?.etag ?? "");
    setEtag(fresh);
    void run(true, fresh);
  };
  const needsReason = me.require_reason && !reason.trim();
  const save = () => void (preview ? run(false) : run(true));
  const managed = preview?.patch != null || me.policy.read_only;

  return (
    <Modal title={props.title} onClose={props.onClose}>
      <Box
        as="form"
        onSubmit={(event: React.FormEvent) => {
          event.preventDefault();
          if (props.ready !== false && !needsReason && !busy && !(preview && managed)) save();
        }}
      >
        <Box hidden={preview !== undefined}>
          {props.children}
          <AreaField
            label="Reason"
            value={reason}
            onChange={setReason}
            required={me.require_reason}
            help="It stays in the history, for those who ask later why."
          />
        </Box>
        {preview ? <Preview result={preview} file={me.policy.file} /> : null}
        {error ? <Problem error={error} {...props} onTop={onTop} retry={save} /> : null}
        <Flex justify="end" gap={2} mt={4} wrap="wrap">
          <Outline onClick={preview ? () => setPreview(undefined) : props.onClose}>
            {preview ? "Back" : "Cancel"}
          </Outline>
          {preview && managed ? null : (
            <Button
              size="sm"
              type="submit"
              colorPalette="brand"
              loading={busy}
              disabled={props.ready === false || needsReason || preview?.changes.length === 0}
            >
              {preview ? (props.saveLabel ?? "Save") : "Preview"}
            </Button>
          )}
        </Flex>
      </Box>
    </Modal>
  );
}

type ProblemProps = {
  error: ApiError;
  mine?: string[];
  before?: string[];
  now?: (current: unknown) => string[];
  onTop: () => void;
  retry: () => void;
};

function Problem({ error, mine = [], before = [], now, onTop, retry }: ProblemProps) {
  if (error.code === "managed_in_file" && error.body.patch) {
    return <Patch patch={String(error.body.patch)} file={String(error.body.file ?? "") || null} />;
  }
  if (error.status !== 412) return <Failure error={error} retry={retry} />;
  const after = now && error.body.current ? now(error.body.current) : [];
  const changed = [
    ...after.filter((line) => !before.includes(line)).map((line) => `+ ${line}`),
    ...before.filter((line) => after.length && !after.includes(line)).map((line) => `− ${line}`),
  ];
  if (!error.body.current) {
    return <Notice status="warning" title="Another user removed this meanwhile, or you may no longer see it" />;
  }
  return (
    <Notice status="warning" title="Another user changed this meanwhile">
      <Text fontWeight="bold">What they changed</Text>
      <Lines lines={changed.length ? changed : ["Nothing that is shown here."]} />
      {mine.length ? (
        <Text fontWeight="bold" mt={2}>
          What you want
        </Text>
      ) : null}
      <Lines lines={mine} />
      <Button size="sm" mt={2} variant="outline" onClick={onTop}>
        Apply mine on top
      </Button>
    </Notice>
  );
}
