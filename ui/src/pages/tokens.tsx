// API tokens. A secret is shown once, in a dialog that is closed by hand.

import { address, call, query } from "../api/client";
import type { GrantKey, Result, Token, Tokens as TokenList, WithSecret } from "../api/types";
import { Button, Flex, Muted, Outline } from "../chakra";
import { useShared } from "../context";
import { CopyBox, Row, Rows, Word } from "../parts/basics";
import { ChangeDialog } from "../parts/change-dialog";
import { TextField, Tick } from "../parts/fields";
import { type Draft, EMPTY, GrantFields, grantOf, isReady } from "../parts/grant-form";
import { Until } from "../parts/grants";
import { Listing } from "../parts/listing";
import { Modal } from "../parts/modal";
import { Notice } from "../parts/states";
import { ago, endOfDay, grantLine } from "../words";
import { useState } from "../react";

type Opened = { open: "create" } | { open: "rotate" | "revoke"; token: Token };

export function Tokens() {
  const { me } = useShared();
  const [opened, open] = useState<Opened>();
  const [secret, setSecret] = useState<WithSecret>();
  const close = () => open(undefined);
  return (
    <>
      <Listing<TokenList>
        path="tokens"
        noun="API token"
        action={
          me.rights.create_tokens ? (
            <Button size="sm" colorPalette="brand" onClick={() => open({ open: "create" })}>
              Create an API token
            </Button>
          ) : null
        }
      >
        {({ tokens }) => (
          <Rows
            label="API tokens"
            head={["Name", "Roles", "Until", "Last used", "Change"]}
            empty="No API token matches. Scripts and pipelines use one to sign in."
          >
            {tokens.map((token) => (
              <Row key={token.id} cells={cells(token, open, me.rights.create_tokens)} />
            ))}
          </Rows>
        )}
      </Listing>
      {opened?.open === "create" ? <Create onClose={close} onSaved={setSecret} /> : null}
      {opened?.open === "rotate" ? <Rotate token={opened.token} onClose={close} onSaved={setSecret} /> : null}
      {opened?.open === "revoke" ? <Revoke token={opened.token} onClose={close} /> : null}
      {secret?.secret ? <Secret secret={secret.secret} onClose={() => setSecret(undefined)} /> : null}
    </>
  );
}

const cells = (token: Token, open: (opened: Opened) => void, mayChange: boolean) => [
  <span key="name">
    {token.name}
    <Muted>{token.description || token.id}</Muted>
  </span>,
  <Flex key="roles" gap={1} wrap="wrap">
    {token.roles.map((role) => (
      <Word key={grantLine(role)}>{grantLine(role)}</Word>
    ))}
  </Flex>,
  <span key="until">
    <Until iso={token.expires_at} /> {token.expired ? <Word palette="red">expired</Word> : null}
    {token.previous_secret_expires_at ? (
      <Muted>old secret works until {ago(token.previous_secret_expires_at)}</Muted>
    ) : null}
  </span>,
  token.last_used ? ago(token.last_used) : "never seen",
  mayChange ? (
    <Flex key="change" gap={1} wrap="wrap">
      <Outline
        size="xs"
        aria-label={`Rotate ${token.name}`}
        onClick={() => open({ open: "rotate", token })}
      >
        Rotate
      </Outline>
      <Outline
        size="xs"
        aria-label={`Revoke ${token.name}`}
        onClick={() => open({ open: "revoke", token })}
      >
        Revoke
      </Outline>
    </Flex>
  ) : (
    "–"
  ),
];

const linesOf = (current: unknown): string[] => {
  const token = current as Token;
  return [`name ${token.name}`, `until ${token.expires_at ?? "no end"}`, ...token.roles.map((role) => grantLine(role))];
};

const inDays = (days: number): string => new Date(Date.now() + days * 86_400_000).toISOString().slice(0, 10);

type Saved = { onClose: () => void; onSaved: (result: WithSecret) => void };

function Create({ onClose, onSaved }: Saved) {
  const { me } = useShared();
  const [name, setName] = useState("");
  const [description, setDescription] = useState("");
  const [until, setUntil] = useState(inDays(90));
  const [endless, setEndless] = useState(false);
  const [drafts, setDrafts] = useState<Draft[]>([EMPTY]);
  const roles = drafts.map((draft): GrantKey => {
    const { role, scope } = grantOf(draft, me);
    return { role, scope };
  });
  const body = { name: name.trim(), description, roles, expires_at: endless ? null : endOfDay(until) };
  return (
    <ChangeDialog<WithSecret>
      title="Create an API token"
      saveLabel="Create"
      onClose={onClose}
      onSaved={onSaved}
      ready={Boolean(name.trim()) && drafts.every(isReady) && (endless || Boolean(until))}
      send={({ dryRun, reason }) =>
        call("POST", `tokens${query({ dry_run: dryRun || null })}`, { body: { ...body, reason } })
      }
    >
      <TextField label="Name" value={name} onChange={setName} required />
      <TextField label="Description" value={description} onChange={setDescription} />
      {endless ? null : (
        <TextField
          label="Works until"
          type="date"
          value={until}
          onChange={setUntil}
          required
          help="The last day, in UTC."
        />
      )}
      <Tick label="Works without end" checked={endless} onChange={setEndless} />
      {drafts.map((draft, index) => (
        <GrantFields
          key={index}
          draft={draft}
          withTime={false}
          onChange={(next) => setDrafts(drafts.map((old, at) => (at === index ? next : old)))}
        />
      ))}
      <Outline size="xs" onClick={() => setDrafts([...drafts, EMPTY])}>
        One more role
      </Outline>
    </ChangeDialog>
  );
}

function Rotate({ token, onClose, onSaved }: Saved & { token: Token }) {
  const [hours, setHours] = useState("24");
  return (
    <ChangeDialog<WithSecret>
      title={`Rotate the secret of ${token.name}`}
      saveLabel="Rotate"
      onClose={onClose}
      onSaved={onSaved}
      etag={token.etag}
      before={linesOf(token)}
      now={linesOf}
      mine={["a new secret"]}
      ready={/^\d+$/.test(hours)}
      send={({ dryRun, reason, etag }) =>
        call("POST", `tokens/${encodeURIComponent(token.id)}/rotate${query({ dry_run: dryRun || null })}`, {
          etag,
          body: { overlap_hours: Number(hours), reason },
        })
      }
    >
      <TextField
        label="Hours for which the old secret works too"
        type="number"
        value={hours}
        onChange={setHours}
        help="0: it ends at once, and what uses it fails until it has the new one."
      />
    </ChangeDialog>
  );
}

const Revoke = ({ token, onClose }: { token: Token; onClose: () => void }) => (
  <ChangeDialog<Result>
    title={`Revoke ${token.name}`}
    saveLabel="Revoke"
    onClose={onClose}
    etag={token.etag}
    before={linesOf(token)}
    now={linesOf}
    mine={["the token is revoked"]}
    send={({ dryRun, reason, etag }) =>
      call("DELETE", `tokens/${encodeURIComponent(token.id)}${query({ reason, dry_run: dryRun || null })}`, { etag })
    }
  >
    <Notice status="warning" title="What uses it fails at once">
      {token.last_used ? `It was used ${ago(token.last_used)}.` : "It was never seen in use."}
    </Notice>
  </ChangeDialog>
);

const Secret = ({ secret, onClose }: { secret: string; onClose: () => void }) => (
  <Modal title="The secret of the API token" onClose={onClose} keep>
    <Notice status="warning" title="It is shown this once">
      It cannot be read again, here or elsewhere. Put it where your other secrets are.
    </Notice>
    <CopyBox label="Secret" text={secret} />
    <CopyBox label="Try it, with $TOKEN set to it" text={`curl -H "Authorization: Bearer $TOKEN" "${address("api/v2/dags?limit=1")}"`} />
    <Flex justify="end" mt={4}>
      <Button size="sm" colorPalette="brand" onClick={onClose}>
        I have kept it
      </Button>
    </Flex>
  </Modal>
);
