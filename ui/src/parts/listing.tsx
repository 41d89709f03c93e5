// A list with a search, filters in the address, its count said aloud, and 50 entries a page.
import type { ReactNode } from "react";
import { useSearchParams } from "react-router-dom";

import { query } from "../api/client";
import { type Answer, useGet, useSettled } from "../api/hooks";
import { Box, Flex, Input, Muted, Outline, Text } from "../chakra";
import { plural } from "../words";
import { Select, type Choice } from "./basics";
import { Loaded } from "./states";
import { useEffect, useState } from "../react";

const PAGE = 50;

export type Filter = { name: string; label: string; choices: Choice[] };

/** What is in the address of the page, and how to change it; whatever is changed, the first page is shown. */
export function useFilters(): [(name: string) => string, (values: Record<string, string>) => void] {
  const [params, setParams] = useSearchParams();
  const set = (values: Record<string, string>) =>
    setParams(
      (before) => {
        const next = new URLSearchParams(before);
        for (const [name, value] of Object.entries({ offset: "", ...values })) {
          if (value) next.set(name, value);
          else next.delete(name);
        }
        return next;
      },
      { replace: true },
    );
  return [(name) => params.get(name) ?? "", set];
}

type Props<T> = {
  path: string;
  noun: string;
  nouns?: string;
  filters?: Filter[];
  searchable?: boolean;
  action?: ReactNode;
  children: (data: T) => ReactNode;
};

export function Listing<T extends { total_entries: number }>(props: Props<T>) {
  const { path, noun, nouns = `${noun}s`, filters = [], searchable = true, children } = props;
  const [get, set] = useFilters();
  const offset = Number(get("offset")) || 0;
  const asked = Object.fromEntries(filters.map(({ name }) => [name, get(name)]));
  const search = searchable ? get("search") : "";
  const answer: Answer<T> = useGet<T>(`${path}${query({ search, ...asked, limit: PAGE, offset: offset || "" })}`);
  return (
    <Box>
      <Flex gap={2} wrap="wrap" align="center" mb={2}>
        {searchable ? <Search nouns={nouns} value={search} onChange={(value) => set({ search: value })} /> : null}
        {filters.map(({ name, label, choices }) => (
          <Select key={name} label={label} value={get(name)} onChange={(to) => set({ [name]: to })} choices={choices} />
        ))}
        <Box flex="1" />
        {props.action}
      </Flex>
      <Muted aria-live="polite" role="status" fontSize="sm" minH={5}>
        {answer.data ? plural(answer.data.total_entries, noun, nouns) : ""}
      </Muted>
      <Loaded answer={answer}>{children}</Loaded>
      {answer.data ? (
        <Pages total={answer.data.total_entries} offset={offset} go={(to) => set({ offset: to ? String(to) : "" })} />
      ) : null}
    </Box>
  );
}

function Search({ nouns, value, onChange }: { nouns: string; value: string; onChange: (value: string) => void }) {
  const [typed, setTyped] = useState(value);
  const settled = useSettled(typed);
  useEffect(() => {
    if (settled !== value) onChange(settled);
    // Only what was typed is sent; what the address says besides was sent before.
  }, [settled]);
  return (
    <Input
      size="sm"
      maxW="20rem"
      type="search"
      aria-label={`Search ${nouns}`}
      placeholder={`Search ${nouns}`}
      value={typed}
      onChange={(event) => setTyped(event.target.value)}
    />
  );
}

/** The buttons between pages of 50; none where there is one page. */
export function Pages({ total, offset, go }: { total: number; offset: number; go: (offset: number) => void }) {
  if (total <= PAGE) return null;
  return (
    <Flex as="nav" aria-label="Pages" gap={2} my={3} align="center">
      <Outline disabled={!offset} onClick={() => go(Math.max(0, offset - PAGE))}>
        Previous
      </Outline>
      <Text>
        {offset + 1}–{Math.min(total, offset + PAGE)} of {total}
      </Text>
      <Outline disabled={offset + PAGE >= total} onClick={() => go(offset + PAGE)}>
        Next
      </Outline>
    </Flex>
  );
}
