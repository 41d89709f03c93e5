// A table of users and what each may do on a Dag, with the reason.
import type { Holder } from "../api/types";
import { Muted, Text } from "../chakra";
import { useShared } from "../context";
import { to } from "../place";
import { plural, through, where } from "../words";
import { A, Row, Rows } from "./basics";
import { Pages } from "./listing";

const SHOWN = [
  ["see", "See"],
  ["see-logs", "Logs"],
  ["trigger", "Run"],
  ["clear", "Clear"],
  ["pause", "Pause"],
  ["see-xcom", "XComs"],
] as const;

type Props = { users: Holder[]; total: number; offset: number; go: (offset: number) => void; label: string };

export function WhoMayTable({ users, total, offset, go, label }: Props) {
  const { me } = useShared();
  return (
    <>
      <Muted role="status" fontSize="sm">
        {plural(total, "user, group or API token", "users, groups and API tokens")}
      </Muted>
      <Rows
        label={label}
        head={["Who", ...SHOWN.map(([, title]) => title), "Why"]}
        empty="No one but those who may see every Dag."
      >
        {users.map((user) => (
          <Row
            key={user.kind + user.who}
            cells={[
              user.kind === "user" ? <A href={to("users", user.who)}>{user.who}</A> : `${kinds[user.kind]} ${user.who}`,
              ...SHOWN.map(([action]) => <Mark key={action} yes={user.may.includes(action)} />),
              user.grants.map((grant, index) => (
                <div key={index}>
                  {grant.role} on {where(grant.scope, me)}
                  {grant.through.kind === "Team" ? `, ${through(grant)}` : ""}
                </div>
              )),
            ]}
          />
        ))}
      </Rows>
      <Pages total={total} offset={offset} go={go} />
    </>
  );
}

const kinds = { user: "", token: "API token", group: "group" };

const Mark = ({ yes }: { yes: boolean }) => (
  <Text as="span" color={yes ? "fg.success" : "fg.muted"}>
    {yes ? "yes" : "no"}
  </Text>
);
