// Small parts that all pages share, in the look of Airflow's own.
import { useRef, useState, type ReactNode } from "react";
import { Link as RouterLink } from "react-router-dom";

import { useActionWords } from "../context";
import { plural } from "../words";
import { Lines } from "./states";
import { Badge, Box, Button, Code, Flex, Heading, Link, NativeSelect, Table } from "../chakra";

export const A = ({ href, children }: { href: string; children: ReactNode }) => (
  <Link asChild color="fg.info" overflowWrap="break-word">
    <RouterLink to={href}>{children}</RouterLink>
  </Link>
);

export const Section = ({ title, action, children }: { title: string; action?: ReactNode; children: ReactNode }) => (
  <Box my={6}>
    <Flex justify="space-between" align="center" gap={3} mb={2} wrap="wrap">
      <Heading size="md" as="h2">
        {title}
      </Heading>
      {action}
    </Flex>
    {children}
  </Box>
);

export const Words = ({ words, empty = "–" }: { words: string[]; empty?: string }) => (
  <Flex gap={1} wrap="wrap">
    {words.length ? words.map((word) => <Word key={word}>{word}</Word>) : <span>{empty}</span>}
  </Flex>
);

/** Actions in words; permissions that have no plain name are folded. */
export function ActionWords({ names, empty }: { names: string[]; empty?: string }) {
  const words = useActionWords();
  const others = names.filter((name) => name.includes("."));
  return (
    <>
      <Words words={names.filter((name) => !name.includes(".")).map(words)} empty={empty} />
      {others.length ? <More label={`and ${plural(others.length, "more permission")}`} lines={others} /> : null}
    </>
  );
}

/** Lines that are shown when they are asked for. */
export const More = ({ label, lines }: { label: string; lines: string[] }) => (
  <Box asChild fontSize="sm">
    <details>
      <summary>{label}</summary>
      <Lines lines={lines} />
    </details>
  </Box>
);

export const Word = ({ children, palette = "gray" }: { children: ReactNode; palette?: string }) => (
  <Badge
    colorPalette={palette}
    variant="surface"
    display="inline-block"
    maxW="full"
    overflowWrap="break-word"
    whiteSpace="normal"
  >
    {children}
  </Badge>
);

/** A table that scrolls inside of its box on a narrow screen. */
export function Rows({
  label,
  head,
  children,
  empty,
}: {
  label: string;
  head: string[];
  children: ReactNode[];
  empty: ReactNode;
}) {
  if (!children.length) return <Box py={3}>{empty}</Box>;
  return (
    <Box overflowX="auto" tabIndex={0} role="region" aria-label={label}>
      <Table.Root size="sm" striped aria-label={label}>
        <Table.Header>
          <Table.Row>
            {head.map((name) => (
              <Table.ColumnHeader key={name} scope="col">
                {name}
              </Table.ColumnHeader>
            ))}
          </Table.Row>
        </Table.Header>
        <Table.Body>{children}</Table.Body>
      </Table.Root>
    </Box>
  );
}

export const Row = ({ cells }: { cells: ReactNode[] }) => (
  <Table.Row>
    {cells.map((cell, index) => (
      <Table.Cell key={index} verticalAlign="middle">
        {cell}
      </Table.Cell>
    ))}
  </Table.Row>
);

export function Copy({ text, label = "Copy" }: { text: string; label?: string }) {
  const [copied, setCopied] = useState(false);
  const copy = () => navigator.clipboard.writeText(text).then(() => setCopied(true));
  return (
    <Button size="xs" variant="outline" onClick={() => void copy()} onBlur={() => setCopied(false)}>
      <span aria-live="polite">{copied ? "Copied" : label}</span>
    </Button>
  );
}

/** Text to take away: selectable, and copied by a button. */
export function CopyBox({ text, label }: { text: string; label: string }) {
  const block = useRef<HTMLPreElement>(null);
  return (
    <Box my={2}>
      <Flex justify="space-between" align="center" mb={1}>
        <span>{label}</span>
        <Copy text={text} />
      </Flex>
      <Code asChild display="block" p={3} maxH="40vh" overflow="auto" whiteSpace="pre-wrap" overflowWrap="anywhere">
        <pre ref={block} tabIndex={0} aria-label={label}>
          {text}
        </pre>
      </Code>
    </Box>
  );
}

export type Choice = { value: string; label: string };

export const Select = ({
  label,
  value,
  onChange,
  choices,
  id,
}: {
  label: string;
  value: string;
  onChange: (value: string) => void;
  choices: Choice[];
  id?: string;
}) => (
  <NativeSelect.Root size="sm" minW="10rem" width="auto">
    <NativeSelect.Field id={id} aria-label={label} value={value} onChange={(event) => onChange(event.target.value)}>
      {choices.map((choice) => (
        <option key={choice.value} value={choice.value}>
          {choice.label}
        </option>
      ))}
    </NativeSelect.Field>
    <NativeSelect.Indicator />
  </NativeSelect.Root>
);
