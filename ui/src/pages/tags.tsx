import { useNavigate } from "react-router-dom";

import { query } from "../api/client";
import { useGet } from "../api/hooks";
import type { Bundles, DagsAccess, DagsOfMine, Tags } from "../api/types";
import { Button, Flex, Heading, Text } from "../chakra";
import { useShared } from "../context";
import { A, ActionWords, Row, Rows, Section, Word } from "../parts/basics";
import { SuggestField } from "../parts/fields";
import { type Draft, EMPTY } from "../parts/grant-form";
import { Listing } from "../parts/listing";
import { Loaded } from "../parts/states";
import { WhoMayTable } from "../parts/who-may";
import { to } from "../place";
import { plural, where } from "../words";
import { GiveDialog } from "./dag";
import { useState } from "../react";

export const TagsPage = () => (
  <>
    <FindDag />
    <Text mb={3}>
      Roles can be given on <A href={to("bundles")}>bundles and folders</A>, too.
    </Text>
    <Listing<Tags> path="tags" noun="tag">
      {({ tags }) => (
        <Rows
          label="Tags"
          head={["Tag", "Dags", "Roles given on it", "Protection"]}
          empty="No tag matches. Dags get their tags in their files."
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

export const BundlesPage = () => (
  <Listing<Bundles> path="bundles" noun="bundle or folder" nouns="bundles and folders">
    {({ bundles }) => (
      <Rows
        label="Bundles and folders"
        head={["Bundle", "Folder", "Dags", "Roles given on it"]}
        empty="No bundle matches."
      >
        {bundles.map(({ bundle, folder, dags, grants }) => (
          <Row
            key={`${bundle}/${folder}`}
            cells={[
              <A key="name" href={to("bundles", bundle, folder)}>
                {bundle}
              </A>,
              folder || "the whole bundle",
              plural(dags, "Dag"),
              grants,
            ]}
          />
        ))}
      </Rows>
    )}
  </Listing>
);

/** The Dags of a tag, bundle or folder, and who may do what on them. */
export function ThroughPage({ kind, id, folder = "" }: { kind: "tag" | "bundle"; id: string; folder?: string }) {
  const [offset, go] = useState(0);
  const place = query({ [kind]: id, folder, offset: offset || "" });
  const answer = useGet<DagsAccess>(`${kind}s/access${place}`);
  const [draft, give] = useState<Draft>();
  const name = where({ kind, id, folder, deployment_id: "" });
  return (
    <Loaded answer={answer}>
      {({ dags, users, total_users, may_grant }) => (
        <>
          <Heading size="lg" as="h2" overflowWrap="anywhere" mt={2}>
            {name[0]?.toUpperCase() + name.slice(1)}
          </Heading>
          <Section title="Its Dags">
            <Flex gap={3} wrap="wrap">
              {dags.length
                ? dags.map((dag) => (
                    <A key={dag} href={to("dags", dag)}>
                      {dag}
                    </A>
                  ))
                : "No Dag that you may see."}
            </Flex>
          </Section>
          <Section
            title="Who has access through it"
            action={
              may_grant ? (
                <Button size="sm" colorPalette="brand" onClick={() => give({ ...EMPTY, kind, id, folder })}>
                  Give access to this {folder ? "folder" : kind}
                </Button>
              ) : null
            }
          >
            <WhoMayTable
              users={users}
              total={total_users}
              offset={offset}
              go={go}
              label={`Who may do what through ${name}`}
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
        <Rows label="Dags" head={["Dag", "Tags", "You may"]} empty="No Dag that you may see matches.">
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
