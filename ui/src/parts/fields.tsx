// Fields of forms.
import type { ReactNode } from "react";

import { query } from "../api/client";
import { useGet, useSettled } from "../api/hooks";
import type { Suggestions } from "../api/types";
import { Box, Button, Checkbox, Field, Flex, Input, Outline, Textarea } from "../chakra";
import { SUPPORT } from "../words";
import { Select, Word, type Choice } from "./basics";
import { useId } from "../react";

type Text = {
  label: string;
  value: string;
  onChange: (value: string) => void;
  help?: ReactNode;
  required?: boolean;
  type?: string;
  list?: string;
  readOnly?: boolean;
};

export const TextField = ({ label, value, onChange, help, required, type = "text", list, readOnly }: Text) => (
  <Field.Root required={required} readOnly={readOnly} my={2}>
    <Field.Label>
      {label}
      <Field.RequiredIndicator />
    </Field.Label>
    <Input
      size="sm"
      type={type}
      list={list}
      value={value}
      onChange={(event) => onChange(event.target.value)}
      autoComplete="off"
      variant={readOnly ? "subtle" : "outline"}
    />
    {help ? <Field.HelperText>{help}</Field.HelperText> : null}
  </Field.Root>
);

export const AreaField = ({ label, value, onChange, help, required }: Text) => (
  <Field.Root required={required} my={2}>
    <Field.Label>
      {label}
      <Field.RequiredIndicator />
    </Field.Label>
    <Textarea size="sm" rows={2} value={value} onChange={(event) => onChange(event.target.value)} />
    {help ? <Field.HelperText>{help}</Field.HelperText> : null}
  </Field.Root>
);

export const SelectField = ({ label, value, onChange, choices, help }: Text & { choices: Choice[] }) => (
  <Field.Root my={2} width="fit-content" maxW="full">
    <Field.Label>{label}</Field.Label>
    <Select label={label} value={value} onChange={onChange} choices={choices} />
    {help ? <Field.HelperText>{help}</Field.HelperText> : null}
  </Field.Root>
);

/** Until when something lasts, and why. */
export const EndFields = ({
  until,
  note,
  onChange,
}: {
  until: string;
  note: string;
  onChange: (some: { until: string } | { note: string }) => void;
}) => (
  <>
    <TextField
      label="Until"
      type="date"
      value={until}
      onChange={(until) => onChange({ until })}
      help="The last day, in UTC. Empty: no end."
    />
    <TextField label="Note" value={note} onChange={(note) => onChange({ note })} />
  </>
);

export type Suggested = "dag" | "tag" | "bundle" | "folder" | "connection" | "variable" | "pool" | "user" | "team" | "role";

/** A text field that proposes what the server knows, and takes anything; `unknown` says that a value is none of it. */
export function SuggestField({
  kind,
  bundle,
  unknown,
  ...field
}: Text & {
  kind: Suggested;
  /** In which bundle folders are. */
  bundle?: string;
  unknown?: string;
}) {
  const id = useId();
  const search = useSettled(field.value);
  const { data } = useGet<Suggestions>(`suggest${query({ kind, search, bundle })}`);
  const isNew = unknown && search.trim() && data && !data.suggestions.some(({ value }) => value === search.trim());
  return (
    <>
      <TextField {...field} list={id} help={isNew ? unknown : field.help} />
      <datalist id={id}>
        {data?.suggestions.map(({ value, label }) => (
          <option key={value} value={value} label={label} />
        ))}
      </datalist>
    </>
  );
}

export const Tick = ({
  label,
  checked,
  onChange,
  disabled,
}: {
  label: ReactNode;
  checked: boolean;
  onChange: (checked: boolean) => void;
  disabled?: boolean;
}) => (
  <Checkbox.Root
    size="sm"
    colorPalette="brand"
    checked={checked}
    disabled={disabled}
    onCheckedChange={(event) => onChange(event.checked === true)}
  >
    <Checkbox.HiddenInput />
    <Checkbox.Control />
    <Checkbox.Label>{label}</Checkbox.Label>
  </Checkbox.Root>
);

export const SupportTick = ({ checked, onChange }: { checked: boolean; onChange: (checked: boolean) => void }) => (
  <Field.Root my={2}>
    <Tick label="Support Team" checked={checked} onChange={onChange} />
    <Field.HelperText>{SUPPORT}</Field.HelperText>
  </Field.Root>
);

/** A list of names that grows and shrinks: members, groups. */
export function NamesField({
  names,
  onChange,
  typed,
  onType,
  kind,
  label,
  help,
  more,
}: {
  names: string[];
  onChange: (names: string[]) => void;
  typed: string;
  onType: (typed: string) => void;
  kind: "user" | null;
  label: string;
  help?: string;
  /** What is said of each name besides. */
  more?: (name: string) => ReactNode;
}) {
  const add = () => {
    const name = typed.trim();
    if (name && !names.includes(name)) onChange([...names, name]);
    onType("");
  };
  const onKey = (event: React.KeyboardEvent) => {
    // Enter adds a name, as the button does, and does not send the form. Half an e-mail may be a choice in the list.
    if (event.key !== "Enter" || !typed.trim() || (kind === "user" && !typed.includes("@"))) return;
    event.preventDefault();
    add();
  };
  const field = { label, value: typed, onChange: onType, help };
  return (
    <Box my={2}>
      <Flex align="start" gap={2}>
        <Box flex="1" onKeyDown={onKey}>
          {kind ? <SuggestField kind={kind} {...field} /> : <TextField {...field} />}
        </Box>
        <Outline
          mt="34px"
          onClick={add}
          disabled={!typed.trim()}
          aria-label={`Add to ${label}`}
        >
          Add
        </Outline>
      </Flex>
      <Flex gap={1} wrap="wrap">
        {names.map((name) => (
          <Flex key={name} align="center" gap={1}>
            <Word>{name}</Word>
            {more?.(name)}
            <Button
              size="2xs"
              variant="ghost"
              aria-label={`Remove ${name}`}
              onClick={() => onChange(names.filter((other) => other !== name))}
            >
              ✕
            </Button>
          </Flex>
        ))}
      </Flex>
    </Box>
  );
}
