// "Why may I, or why not, and whom to ask": for oneself, and for others by those who may read access.

import { ApiError, call, query } from "../api/client";
import { asApiError } from "../api/hooks";
import type { Advice, Explained, Me } from "../api/types";
import { Box, Button, Flex, Text } from "../chakra";
import { useActionWords, useShared } from "../context";
import { ActionWords, CopyBox, Section } from "../parts/basics";
import { SelectField, SuggestField } from "../parts/fields";
import { HeldGrants } from "../parts/grants";
import { Failure, Lines, Notice } from "../parts/states";
import { address } from "../api/client";
import { to } from "../place";
import { grantLine, list } from "../words";
import { useEffect, useRef, useState } from "../react";

const WHOLE = "";

/** An answer, and the question in words. */
type Asked = Explained & { asked: string };

export function Explain({ as = null, dag = WHOLE }: { as?: string | null; dag?: string }) {
  const { actions } = useShared();
  const words = useActionWords();
  const box = useRef<HTMLDivElement>(null);
  const [action, setAction] = useState("see");
  const [dagId, setDagId] = useState(dag);
  const [answer, setAnswer] = useState<Asked>();
  const [error, setError] = useState<ApiError>();
  const wide = actions.find(({ name }) => name === action)?.deployment_wide ?? false;
  useEffect(() => {
    if (answer) box.current?.scrollIntoView({ block: "nearest" });
  }, [answer]);
  const ask = async () => {
    setAnswer(undefined);
    setError(undefined);
    const body = { as, action, dag_id: wide ? null : dagId.trim() || null };
    const asked = `${words(action)}${wide ? "" : `: ${body.dag_id ?? "all Dags"}`}`;
    await call<Explained>("POST", "explain", { body }).then(
      (given) => setAnswer({ ...given, asked }),
      (failure: unknown) => setError(asApiError(failure)),
    );
  };
  return (
    <Section title={as ? "Why may this user, or why not?" : "Why may I, or why not, and whom to ask?"}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void ask();
        }}
      >
        <Flex gap={3} wrap="wrap" align="start" maxW="full">
          <SelectField
            label="What"
            value={action}
            onChange={setAction}
            choices={actions.map(({ name, words }) => ({ value: name, label: words }))}
          />
          {wide ? null : (
            <Box flex="1" minW="12rem" maxW="24rem">
              <SuggestField kind="dag" label="Dag" value={dagId} onChange={setDagId} help="Empty: all Dags." />
            </Box>
          )}
          <Button type="submit" size="sm" mt={8} variant="outline">
            Ask
          </Button>
        </Flex>
      </form>
      <Box aria-live="polite" ref={box}>
        {error ? <Failure error={error} retry={() => void ask()} /> : null}
        {answer ? <Answered answer={answer} as={as} /> : null}
      </Box>
    </Section>
  );
}

const TITLES = { yes: "Yes", no: "No", depends: "It depends" };
const STATUS = { yes: "success", no: "warning", depends: "info" } as const;

function Answered({ answer, as }: { answer: Asked; as: string | null }) {
  const words = useActionWords();
  return (
    <>
      <Notice status={STATUS[answer.answer]} title={`${TITLES[answer.answer]}. ${answer.asked}`}>
        <Lines lines={answer.why.split("\n")} />
        {answer.missing.length ? <Text>Missing: {list(answer.missing.map(words))}</Text> : null}
      </Notice>
      {answer.grants.length ? <HeldGrants grants={answer.grants} label="Roles that count for this" empty="" /> : null}
      {answer.advice.map((advice) => (
        <Advised key={grantLine(advice)} advice={advice} answer={answer} as={as} />
      ))}
    </>
  );
}

function Advised({ advice, answer, as }: { advice: Advice; answer: Asked; as: string | null }) {
  const { me } = useShared();
  const email = as ?? me.email;
  const link = grantLink(email, advice);
  const asks = answer.whom_to_ask.map((who) => who.email);
  return (
    <Box my={3}>
      <Text>
        The smallest role that would allow it: <b>{grantLine(advice, me)}</b>
        {advice.extra.length ? ". It also allows:" : ""}
      </Text>
      {advice.extra.length ? <ActionWords names={advice.extra} /> : null}
      {asks.length ? <Text>Who may give it: {list(asks, "or")}</Text> : null}
      {answer.contact ? <Text>Contact for access: {answer.contact}</Text> : null}
      <CopyBox label="Request to send" text={request(email, advice, answer, me, link)} />
    </Box>
  );
}

/** The address at which users who may give the role find the dialog filled in. */
export const grantLink = (email: string, { role, scope }: Advice): string =>
  address(
    to("users", email).slice(1) +
      query({ grant: role, kind: scope.kind, id: scope.id, deployment: scope.deployment_id || undefined }),
  );

const request = (email: string, advice: Advice, answer: Asked, me: Me, link: string): string =>
  [
    `Please give ${email} the role ${grantLine(advice, me)}, in the Deployment ${me.deployment.name || me.deployment.id}.`,
    `Question: ${answer.asked}`,
    `To give it: ${link}`,
  ].join("\n");
