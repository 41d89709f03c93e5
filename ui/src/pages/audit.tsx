import { address, query } from "../api/client";
import { Button, Flex, Text } from "../chakra";
import { useShared } from "../context";
import { SelectField } from "../parts/fields";
import { Notice } from "../parts/states";
import { useState } from "../react";

const SPANS = [
  { value: "7", label: "7 days" },
  { value: "30", label: "30 days" },
  { value: "90", label: "90 days" },
  { value: "365", label: "a year" },
];

export function Audit() {
  const { me } = useShared();
  const [days, setDays] = useState("30");
  if (!me.rights.audit) {
    return (
      <Notice status="warning" title="You may not do this">
        The audit log is for users who may give roles and see all Dags.
      </Notice>
    );
  }
  const href = (format: string) => address(`access/api/v1/audit${query({ format, days })}`);
  return (
    <>
      <Text>
        Every change of access, with who, when, why and what came of it. JSON lines suit programs, CSV suits
        spreadsheets.
      </Text>
      <Flex gap={3} wrap="wrap" align="end" my={3}>
        <SelectField label="The last" value={days} onChange={setDays} choices={SPANS} />
        {["jsonl", "csv"].map((format) => (
          <Button key={format} asChild size="sm" variant="outline" mb={2}>
            <a href={href(format)} download>
              Download {format === "csv" ? "CSV" : "JSON lines"}
            </a>
          </Button>
        ))}
      </Flex>
    </>
  );
}
