// Small parts that all pages share, in the look of Airflow's own.
import type { ReactNode } from "react";
import { Link as RouterLink } from "react-router-dom";

import { useActionWords } from "../context";
import { plural } from "../words";
import { Lines } from "./states";
import { Badge, Box, Code, Flex, Heading, Link, NativeSelect, Outline, Table, Text } from "../chakra";
import { createContext, useContext, useRef, useState } from "../react";

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

/** Actions in words; single permissions are folded. */
export function ActionWords({ names, empty }: { names: string[]; empty?: string }) {
  const words = useActionWords();
  const others = names.filter((name) => name.includes("."));
  return (
    <>
      <Words words={names.filter((name) => !name.includes(".")).map(words)} empty={empty} />
      {others.length ? <More label={`and ${plural(others.length, "more permission")}`} lines={others.map(words)} /> : null}
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
    // The colours of Airflow 3.1 have too little contrast.
    _dark={{ color: "colorPalette.200" }}
    display="inline-block"
    maxW="full"
    overflowWrap="break-word"
    whiteSpace="normal"
  >
    {children}
  </Badge>
);

// On a phone each row is a block, with the name of the column before each cell. To assistive technology it stays a
// table by the roles, which browsers drop with the layout of one.
const STACKED = {
  "@media (max-width: 40rem)": {
    "&, & tbody, & tr": { display: "block" },
    "& thead": { position: "absolute", width: "1px", height: "1px", overflow: "hidden", clipPath: "inset(50%)" },
    "& td": { display: "grid", gridTemplateColumns: "5.5rem minmax(0, 1fr)", alignItems: "start", gap: 2, borderBottomWidth: 0, paddingY: 1 },
    "& td::before": { content: "attr(data-column)", fontWeight: "bold" },
    "& td:has(> div:empty)": { display: "none" },
    "& tr": { paddingY: 2, borderBottomWidth: "1px" },
  },
};

const Columns = createContext<string[]>([]);

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
  if (!children.length) return <Text py={3}>{empty}</Text>;
  return (
    <Box overflowX="auto" tabIndex={0} role="region" aria-label={label}>
      <Table.Root size="sm" striped aria-label={label} role="table" css={STACKED}>
        <Table.Header role="rowgroup">
          <Table.Row role="row">
            {head.map((name) => (
              <Table.ColumnHeader key={name} scope="col" role="columnheader">
                {name}
              </Table.ColumnHeader>
            ))}
          </Table.Row>
        </Table.Header>
        <Table.Body role="rowgroup">
          <Columns.Provider value={head}>{children}</Columns.Provider>
        </Table.Body>
      </Table.Root>
    </Box>
  );
}

export function Row({ cells }: { cells: ReactNode[] }) {
  const columns = useContext(Columns);
  return (
    <Table.Row role="row">
      {cells.map((cell, index) => (
        <Table.Cell key={index} role="cell" verticalAlign="middle" data-column={columns[index]}>
          <div>{cell}</div>
        </Table.Cell>
      ))}
    </Table.Row>
  );
}

export function Copy({ text, label = "Copy" }: { text: string; label?: string }) {
  const [copied, setCopied] = useState(false);
  const copy = () => navigator.clipboard.writeText(text).then(() => setCopied(true));
  return (
    <Outline size="xs" onClick={() => void copy()} onBlur={() => setCopied(false)}>
      <span aria-live="polite">{copied ? "Copied" : label}</span>
    </Outline>
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
