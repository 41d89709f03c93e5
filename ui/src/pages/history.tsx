// Every version of the policy: who, when, how, why and what; compare two, and go back to one.
import { Link as RouterLink } from "react-router-dom";

import { call, query } from "../api/client";
import { useGet } from "../api/hooks";
import type { Result, Version, VersionDifference, Versions } from "../api/types";
import { Box, Button, Flex, Heading, Muted, Outline, Text } from "../chakra";
import { useShared } from "../context";
import { A, More, Row, Rows } from "../parts/basics";
import { ChangeDialog } from "../parts/change-dialog";
import { Differences } from "../parts/difference";
import { SelectField } from "../parts/fields";
import { Listing } from "../parts/listing";
import { Lines, Loaded, Notice } from "../parts/states";
import { to } from "../place";
import { plural, time } from "../words";
import { useState } from "../react";

const FOLDED = 5;

export function History() {
  const { me } = useShared();
  const [revert, setRevert] = useState<number>();
  if (me.policy.store === "file") {
    return (
      <Notice status="info" title={`The policy is managed in ${me.policy.file ?? "a file"}`}>
        Its history is where the file is kept, in git for example.
      </Notice>
    );
  }
  const mayRevert = me.rights.grant_levels.length > 0;
  return (
    <>
      <Compare />
      <Listing<Versions> path="history" noun="version" searchable={false}>
        {({ versions }) => (
          <Rows
            label="Versions"
            head={["Version", "When", "Who", "Why", "What", "Change"]}
            empty="No version yet."
          >
            {versions.map((version) => (
              <Row key={version.version} cells={cells(version, me.policy.version, mayRevert, setRevert)} />
            ))}
          </Rows>
        )}
      </Listing>
      {revert === undefined ? null : <RevertDialog version={revert} onClose={() => setRevert(undefined)} />}
    </>
  );
}

const cells = (one: Version, newest: number | null, mayRevert: boolean, revert: (version: number) => void) => [
  <A key="version" href={to("history", String(Math.max(1, one.version - 1)), String(one.version))}>
    {one.version}
  </A>,
  <Text key="when" whiteSpace="nowrap">
    <time dateTime={one.created_at}>{time(one.created_at)}</time>
  </Text>,
  <span key="who">
    {one.author}
    <Muted>{how(one)}</Muted>
  </span>,
  one.reason || "–",
  <Box key="what" minW={{ base: 0, md: "16rem" }}>
    {one.changes.length > FOLDED ? (
      <More label={plural(one.changes.length, "change")} lines={one.changes} />
    ) : (
      <Lines lines={one.changes} />
    )}
    {one.hidden ? <Muted>and {one.hidden} that you may not see</Muted> : null}
  </Box>,
  one.version === newest ? (
    "newest"
  ) : mayRevert ? (
    <Outline size="xs" onClick={() => revert(one.version)}>
      Revert to version {one.version}
    </Outline>
  ) : (
    "–"
  ),
];

const how = ({ source, author_kind, reverts }: Version): string =>
  [author_kind === "person" || author_kind === "user" ? "" : author_kind, source, reverts ? `back to ${reverts}` : ""]
    .filter(Boolean)
    .join(", ");

/** Makes the policy again what it was in a version; judged like every other change. */
export function RevertDialog({ version, onClose }: { version: number; onClose: () => void }) {
  const { me } = useShared();
  return (
    <ChangeDialog<Result>
      title={`Revert to version ${version}`}
      saveLabel="Revert"
      onClose={onClose}
      etag={String(me.policy.version ?? 0)}
      mine={[`the policy of version ${version}`]}
      send={({ dryRun, reason, etag }) =>
        call("POST", `history/${version}/revert${query({ dry_run: dryRun || null })}`, { etag, body: { reason } })
      }
    >
      <Text>Everything that was changed since then is taken back, except API tokens. The preview says what that is.</Text>
    </ChangeDialog>
  );
}

function Compare() {
  const { data } = useGet<Versions>("history?limit=50");
  const versions = data?.versions.map(({ version }) => String(version)) ?? [];
  const [chosen, choose] = useState<[string, string]>(["", ""]);
  if (versions.length < 2) return null;
  const from = chosen[0] || versions[1] || "";
  const until = chosen[1] || versions[0] || "";
  const choices = versions.map((version) => ({ value: version, label: `version ${version}` }));
  return (
    <Flex gap={3} align="end" wrap="wrap" mb={3}>
      <SelectField label="From" value={from} onChange={(value) => choose([value, until])} choices={choices} />
      <SelectField label="To" value={until} onChange={(value) => choose([from, value])} choices={choices} />
      <Button asChild size="sm" variant="outline" mb={2}>
        <RouterLink to={to("history", from, until)}>Compare</RouterLink>
      </Button>
    </Flex>
  );
}

export function ComparePage({ from, until }: { from: string; until: string }) {
  const answer = useGet<VersionDifference>(`history/${encodeURIComponent(from)}/diff/${encodeURIComponent(until)}`);
  return (
    <>
      <Heading size="lg" as="h2" mt={2} mb={3}>
        From version {from} to version {until}
      </Heading>
      <Loaded answer={answer}>{(difference) => <Differences difference={difference} />}</Loaded>
    </>
  );
}
