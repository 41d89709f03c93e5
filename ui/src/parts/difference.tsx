// What a change does: the sentences of `plan`.

import type { Difference, Effect, Result } from "../api/types";
import { useActionWords } from "../context";
import { Box, Muted, Text } from "../chakra";
import { list, plural } from "../words";
import { CopyBox, More } from "./basics";
import { Lines, Notice } from "./states";
import { useEffect, useRef } from "../react";

const FOLDED = 5;

const smallFirst = (words: string): string => words.charAt(0).toLowerCase() + words.slice(1);

function Effects({ title, effects, verb }: { title: string; effects: Effect[]; verb: string }) {
  const words = useActionWords();
  if (!effects.length) return null;
  return (
    <Box my={2}>
      <Text fontWeight="bold">{title}</Text>
      {effects.map((effect, index) => (
        <Box key={index} ps={3} borderStartWidth="2px" my={1} overflowWrap="anywhere">
          {list(effect.who)} {verb}, {effect.where.startsWith("the ") ? "in" : "on"} {effect.where}: {effect.may.map((name) => smallFirst(words(name))).join("; ")}
          {effect.because ? <Muted>{effect.because}</Muted> : null}
        </Box>
      ))}
    </Box>
  );
}

export const Differences = ({ difference }: { difference: Difference }) => {
  const { changes, gains, losses } = difference;
  return (
    <>
      {changes.length ? <Lines lines={changes} /> : <Text>Nothing would change.</Text>}
      {difference.hidden ? <Muted>and {difference.hidden} that you may not see</Muted> : null}
      <Effects title="Who gains" effects={gains} verb="may then" />
      <Effects title="Who loses" effects={losses} verb="may then no longer" />
      {changes.length && !gains.length && !losses.length ? (
        <Text my={2}>No one gains or loses anything now.</Text>
      ) : null}
    </>
  );
};

/** What the server says a change would do, before it is done. */
export function Preview({ result, file }: { result: Result; file: string | null }) {
  const box = useRef<HTMLDivElement>(null);
  // The button that had the focus is another one now: the keyboard goes on here, not at the top of the page.
  useEffect(() => box.current?.focus(), []);
  const lost = result.own_losses;
  return (
    <Box ref={box} tabIndex={-1} outline="none" aria-live="polite">
      {lost.length ? (
        <Notice status="warning" title="You would lose access yourself">
          {lost.length > FOLDED ? <More label={plural(lost.length, "permission")} lines={lost} /> : <Lines lines={lost} />}
        </Notice>
      ) : null}
      {result.warnings.length ? (
        <Notice status="warning" title="Warnings">
          <Lines lines={result.warnings} />
        </Notice>
      ) : null}
      <Differences difference={result} />
      {result.patch ? <Patch patch={result.patch} file={file} /> : null}
    </Box>
  );
}

export const Patch = ({ patch, file }: { patch: string; file: string | null }) => (
  <Notice status="info" title={`The policy is managed in ${file ?? "a file"}`}>
    Nothing is changed here. Put this into the file, or send it to those who keep it:
    <CopyBox text={patch} label="For the policy file" />
  </Notice>
);
