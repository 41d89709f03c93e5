// What a page shows while it has nothing else to show, or cannot show it: each in words of its own.
import type { ReactNode } from "react";

import { address, type ApiError } from "../api/client";
import type { Answer } from "../api/hooks";
import { Alert, Box, Flex, Link, Outline, Spinner, Text } from "../chakra";
import { list } from "../words";

type Status = "error" | "warning" | "info" | "success";

export function Notice({
  status,
  title,
  children,
  action,
}: {
  status: Status;
  title: string;
  children?: ReactNode;
  action?: ReactNode;
}) {
  return (
    <Alert.Root status={status} my={3} role={status === "error" ? "alert" : undefined}>
      <Alert.Indicator />
      <Alert.Content minW={0}>
        <Alert.Title>{title}</Alert.Title>
        {children ? <Alert.Description as="div">{children}</Alert.Description> : null}
      </Alert.Content>
      {action}
    </Alert.Root>
  );
}

/** Lines of the server's answer, as they are. */
export const Lines = ({ lines }: { lines: string[] }) => (
  <Box as="ul" listStyleType={lines.length > 1 ? "disc" : "none"} ps={lines.length > 1 ? 5 : 0}>
    {lines.map((line) => (
      <Box as="li" key={line} overflowWrap="anywhere">
        {line}
      </Box>
    ))}
  </Box>
);

const TITLES: Record<string, string> = {
  away: "The server does not answer",
  denied: "You may not do this",
  not_found: "There is no such thing, or you may not see it",
  last_owner: "This would leave no Organization Owner",
  exists: "This name is taken",
  invalid: "This cannot be done",
  reason_required: "A reason is required",
  unavailable: "The policy cannot be read or written just now",
  too_many_changes: "Others changed the policy at the same time",
  script: "This page has an error",
};

export function Failure({ error, retry }: { error: ApiError; retry?: () => void }) {
  if (error.status === 401) return <SignedOut />;
  const missing = Array.isArray(error.body.missing) ? error.body.missing.map(String) : [];
  const asks = Array.isArray(error.body.whom_to_ask) ? error.body.whom_to_ask.map(String) : [];
  const contact = String(error.body.contact ?? "");
  const again = retry && (error.status === 0 || error.status >= 500);
  return (
    <Notice
      status={error.status === 403 || error.status === 404 ? "warning" : "error"}
      title={TITLES[error.code] ?? "The server refused this"}
      action={
        again ? (
          <Outline onClick={retry}>
            Try again
          </Outline>
        ) : null
      }
    >
      <Lines lines={missing.length ? missing : error.message.split("\n")} />
      {asks.length ? <Text mt={2}>Who may do it: {list(asks, "or")}</Text> : null}
      {contact ? <Text mt={2}>Contact for access: {contact}</Text> : null}
    </Notice>
  );
}

export const SignedOut = () => (
  <Notice status="warning" title="Your session has ended">
    <Link href={address("api/v2/auth/login")} target="_blank" textDecoration="underline">
      Sign in again in a new tab
    </Link>
    , then come back: what you have typed is still here.
  </Notice>
);

export const Waiting = () => (
  <Flex align="center" gap={2} py={4} role="status">
    <Spinner size="sm" /> <Text>Loading …</Text>
  </Flex>
);

/** The data of an answer once it is there; until then, or without it, the state that it is in. */
export function Loaded<T>({ answer, children }: { answer: Answer<T>; children: (data: T) => ReactNode }) {
  const { data, error, reload } = answer;
  if (data === undefined && !error) return <Waiting />;
  return (
    <>
      {error ? <Failure error={error} retry={reload} /> : null}
      {data === undefined ? null : children(data)}
    </>
  );
}
