import { useNavigate } from "react-router-dom";

import type { Account, UserRow, Users as UserList } from "../api/types";
import { Button, Flex, Outline } from "../chakra";
import { useShared } from "../context";
import { A, Row, Rows, Word, Words } from "../parts/basics";
import { SuggestField } from "../parts/fields";
import { Listing, type Filter } from "../parts/listing";
import { Modal } from "../parts/modal";
import { to } from "../place";
import { ago } from "../words";
import { useState } from "../react";

const filters = (accounts: boolean): Filter[] => [
  {
    name: "has",
    label: "Show",
    choices: [
      { value: "", label: "In the policy" },
      { value: "grants", label: "With roles" },
      ...(accounts ? OF_ACCOUNTS : []),
    ],
  },
];

const OF_ACCOUNTS = [
  { value: "nothing", label: "With an account, without roles" },
  { value: "account", label: "With an account" },
  { value: "no_account", label: "With roles, without an account" },
];

export function Users() {
  const { me } = useShared();
  const [adding, setAdding] = useState(false);
  const accounts = me.rights.accounts;
  return (
    <>
      <Listing<UserList>
        path="users"
        noun="user"
        filters={filters(accounts)}
        action={
          me.rights.grant_levels.length ? (
            <Button size="sm" colorPalette="brand" onClick={() => setAdding(true)}>
              Give a role
            </Button>
          ) : null
        }
      >
        {({ users }) => (
          <Rows
            label="Users"
            head={["User", "Roles", "Teams", ...(accounts ? ["Account", "Last sign-in"] : [])]}
            empty="No user matches. Clear the search, choose who is shown, or give a user the first role."
          >
            {users.map((user) => (
              <Row key={user.email} cells={cells(user)} />
            ))}
          </Rows>
        )}
      </Listing>
      {adding ? <WhoDialog onClose={() => setAdding(false)} /> : null}
    </>
  );
}

const cells = (user: UserRow) => [
  <A key="email" href={to("users", user.email)}>
    {user.email}
  </A>,
  <Words key="roles" words={user.roles} />,
  user.teams.length ? user.teams.join(", ") : "–",
  ...(user.accounts
    ? [<AccountState key="account" accounts={user.accounts} />, user.last_sign_in ? ago(user.last_sign_in) : "never"]
    : []),
];

/** What is to be said of a user's accounts. */
export function AccountState({ accounts }: { accounts: Account[] }) {
  if (!accounts.length) return <Word>no account</Word>;
  if (accounts.some(({ ambiguous }) => ambiguous)) {
    return <Word palette="red">several accounts with this e-mail: no access</Word>;
  }
  if (!accounts.some(({ active }) => active)) return <Word palette="orange">deactivated</Word>;
  return <Word palette="green">active</Word>;
}

function WhoDialog({ onClose }: { onClose: () => void }) {
  const [email, setEmail] = useState("");
  const navigate = useNavigate();
  return (
    <Modal title="Give a role to a user" onClose={onClose}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (email.includes("@")) void navigate(`${to("users", email.trim())}?grant=`);
        }}
      >
        <SuggestField
          kind="user"
          label="E-mail"
          value={email}
          onChange={setEmail}
          required
          help="Of a known user, or of one who has not signed in yet."
        />
        <Flex justify="end" gap={2} mt={4}>
          <Outline onClick={onClose}>
            Cancel
          </Outline>
          <Button size="sm" type="submit" colorPalette="brand" disabled={!email.includes("@")}>
            Continue
          </Button>
        </Flex>
      </form>
    </Modal>
  );
}
