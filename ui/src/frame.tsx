// What is around every page: title, state of the policy, tabs by right, and the line after a change.
import type { ReactNode } from "react";
import { Link as RouterLink } from "react-router-dom";

import type { Me } from "./api/types";
import { Box, Button, Flex, Heading, Link, Muted, Outline } from "./chakra";
import { type Saved, useShared } from "./context";
import { RevertDialog } from "./pages/history";
import { Notice } from "./parts/states";
import { to, usePlace } from "./place";
import { ago } from "./words";
import { useState } from "./react";

/** The tabs of a user: the last part of the address, and the label. */
export function tabsOf({ rights }: Me): [string, string][] {
  const tabs: [string, string, boolean][] = [
    ["users", "Users", rights.access],
    ["teams", "Teams", rights.access],
    ["tokens", "API tokens", rights.tokens],
    ["roles", "Custom roles", rights.access],
    ["tags", "Dags and tags", rights.access],
    ["history", "History", rights.history],
    ["audit", "Audit export", rights.audit],
    ["me", "My access", true],
  ];
  return tabs.filter(([, , may]) => may).map(([path, label]) => [path, label]);
}

const state = ({ policy }: Me): string => {
  if (policy.store === "file") return `managed in ${policy.file ?? "a file"}: read only`;
  const when = policy.changed_at ? `, ${ago(policy.changed_at)}` : "";
  return `policy version ${policy.version}${when}${policy.author ? ` by ${policy.author}` : ""}`;
};

export function Frame({
  title,
  saved,
  forget,
  children,
  tabs = [],
}: {
  title: string;
  saved: Saved | undefined;
  forget: () => void;
  children: ReactNode;
  tabs?: [string, string][];
}) {
  const { me } = useShared();
  return (
    <Box p={2} maxW="full" minW={0}>
      <Flex justify="space-between" align="baseline" gap={3} wrap="wrap" mb={2}>
        <Heading as="h1">{title}</Heading>
        <Muted fontSize="sm">
          {state(me)}
        </Muted>
      </Flex>
      {tabs.length > 1 ? <Tabs tabs={tabs} /> : null}
      <Done saved={saved} forget={forget} />
      {children}
    </Box>
  );
}

function Tabs({ tabs }: { tabs: [string, string][] }) {
  const [kind] = usePlace().names;
  const here = kind === "dags" || kind === "bundles" ? "tags" : kind;
  return (
    <Flex as="nav" aria-label="Access" gap={0} wrap="wrap" borderBottomWidth="1px" mb={3}>
      {tabs.map(([path, label]) => (
        <Link
          key={path}
          asChild
          px={3}
          py={2}
          color="fg.muted"
          borderBottomWidth="3px"
          borderColor="transparent"
          borderRadius={0}
          _hover={{ color: "fg", textDecoration: "none" }}
          aria-current={path === here ? "page" : undefined}
          css={{ "&[aria-current]": { color: "fg", borderColor: "brand.solid", fontWeight: "bold" } }}
        >
          <RouterLink to={to(path)}>{label}</RouterLink>
        </Link>
      ))}
    </Flex>
  );
}

/** "Done: version 42 · Undo". */
function Done({ saved, forget }: { saved: Saved | undefined; forget: () => void }) {
  const { me } = useShared();
  const [undo, setUndo] = useState<number>();
  const version = saved?.version;
  return (
    <Box role="status" aria-live="polite">
      {saved ? (
        <Notice
          status="success"
          title={version ? `Done: version ${version}` : "Nothing was to be changed"}
          action={
            <Flex gap={2}>
              {saved.revertible && version && version > 1 && me.rights.history ? (
                <Outline size="xs" onClick={() => setUndo(version - 1)}>
                  Undo
                </Outline>
              ) : null}
              <Button size="xs" variant="ghost" onClick={forget} aria-label="Close this message">
                ✕
              </Button>
            </Flex>
          }
        />
      ) : null}
      {undo === undefined ? null : <RevertDialog version={undo} onClose={() => setUndo(undefined)} />}
    </Box>
  );
}
