import { useState } from "react";
import { useNavigate } from "react-router-dom";

import { query } from "../api/client";
import { useGet } from "../api/hooks";
import type { DagsOfMine, TagAccess, Tags } from "../api/types";
import { Button, Flex, Heading, Text } from "../chakra";
import { useShared } from "../context";
import { A, ActionWords, Row, Rows, Section, Word } from "../parts/basics";
import { SuggestField } from "../parts/fields";
import { type Draft, EMPTY } from "../parts/grant-form";
import { Listing } from "../parts/listing";
import { Loaded } from "../parts/states";
import { WhoMayTable } from "../parts/who-may";
import { to } from "../place";
import { plural } from "../words";
import { GiveDialog } from "./dag";

export const TagsPage = () => (
  <>
    <FindDag />
    <Listing<Tags> path="tags" noun="tag">
      {({ tags }) => (
        <Rows
          label="Tags"
          head={["Tag", "Dags", "Roles given on it", "Protection"]}
          empty={<Text>No tag matches. Dags get their tags in their files.</Text>}
        >
          {tags.map((tag) => (
            <Row
              key={tag.name}
              cells={[
                <A key="name" href={to("tags", tag.name)}>
                  {tag.name}
                </A>,
                plural(tag.dags, "Dag"),
                tag.grants,
                tag.protected ? <Word palette="blue">protected</Word> : "–",
              ]}
            />
          ))}
        </Rows>
      )}
    </Listing>
  </>
);

function FindDag() {
  const [dag, setDag] = useState("");
  const navigate = useNavigate();
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        if (dag.trim()) void navigate(to("dags", dag.trim()));
      }}
    >
      <Flex gap={2} align="end" maxW="30rem" mb={3}>
        <SuggestField kind="dag" label="Who may do what on one Dag" value={dag} onChange={setDag} />
        <Button type="submit" size="sm" variant="outline" mb={2} disabled={!dag.trim()}>
          Show
        </Button>
      </Flex>
    </form>
  );
}

export function TagPage({ tag }: { tag: string }) {
  const [offset, go] = useState(0);
  const answer = useGet<TagAccess>(`tags/access${query({ tag, offset: offset || "" })}`);
  const [draft, give] = useState<Draft>();
  return (
    <Loaded answer={answer}>
      {({ dags, users, total_users, may_grant }) => (
        <>
          <Heading size="lg" as="h2" overflowWrap="anywhere" mt={2}>
            Tag {tag}
          </Heading>
          <Section title="Dags with this tag">
            <Flex gap={3} wrap="wrap">
              {dags.length
                ? dags.map((dag) => (
                    <A key={dag} href={to("dags", dag)}>
                      {dag}
                    </A>
                  ))
                : "No Dag that you may see has it."}
            </Flex>
          </Section>
          <Section
            title="Who may do what on them"
            action={
              may_grant ? (
                <Button size="sm" colorPalette="brand" onClick={() => give({ ...EMPTY, kind: "tag", id: tag })}>
                  Give access to this tag
                </Button>
              ) : null
            }
          >
            <WhoMayTable
              users={users}
              total={total_users}
              offset={offset}
              go={go}
              label={`Who may do what on Dags with the tag ${tag}`}
            />
          </Section>
          {draft ? <GiveDialog draft={draft} onClose={() => give(undefined)} /> : null}
        </>
      )}
    </Loaded>
  );
}

/** The Dags that one reaches oneself. */
export const MyDags = () => {
  const { me } = useShared();
  return (
    <Listing<DagsOfMine> path="me/dags" noun="Dag">
      {({ dags }) => (
        <Rows label="Dags" head={["Dag", "Tags", "You may"]} empty={<Text>No Dag that you may see matches.</Text>}>
          {dags.map((dag) => (
            <Row
              key={dag.dag_id}
              cells={[
                <A
                  key="dag"
                  href={me.rights.access ? to("dags", dag.dag_id) : `/dags/${encodeURIComponent(dag.dag_id)}`}
                >
                  {dag.dag_id}
                </A>,
                dag.tags.join(", ") || "–",
                <ActionWords key="may" names={dag.may} />,
              ]}
            />
          ))}
        </Rows>
      )}
    </Listing>
  );
};
