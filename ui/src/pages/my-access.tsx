// For everybody: what I hold, why, what I reach, and whom to ask for more.
import { Text } from "../chakra";
import { useShared } from "../context";
import { ActionWords, Section, Words } from "../parts/basics";
import { HeldGrants } from "../parts/grants";
import { through } from "../words";
import { Explain } from "./explain";
import { MyDags } from "./tags";

export function MyAccess() {
  const { me } = useShared();
  return (
    <>
      <Text>
        You are {me.name && me.name !== me.email ? `${me.name} (${me.email})` : me.email}, in the Deployment{" "}
        {me.deployment.name || me.deployment.id} of the Workspace {me.workspace.name || me.workspace.id}.
      </Text>
      <Section title="Your roles">
        <HeldGrants grants={me.grants} label="Your roles, and why" empty="You have no role." />
        <Text mt={3} mb={1}>
          In the whole Deployment you may:
        </Text>
        <ActionWords names={me.may} empty="nothing; what you may on single Dags is below" />
      </Section>
      <Explain />
      <Section title="Your Teams">
        <Words
          words={me.teams.map(({ name, group }) => through({ ...NO_GRANT, through: { kind: "Team", name, group } }))}
          empty="You are in no Team."
        />
      </Section>
      <Section title="Dags that you may see">
        <MyDags />
      </Section>
      {me.access_contact ? <Text>Contact for access: {me.access_contact}</Text> : null}
    </>
  );
}

const NO_GRANT = {
  role: "",
  scope: { kind: "Deployment", id: "", deployment_id: "", folder: "" },
  expires_at: null,
  note: "",
  implied: false,
} as const;
