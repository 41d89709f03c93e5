// The one component that Airflow is given: the tab of a Dag if there is a Dag, else the nav page.
import { Component, useCallback, useState, type ReactNode } from "react";
import { Navigate } from "react-router-dom";

import { useGet } from "./api/hooks";
import type { Me, Result } from "./api/types";
import { Box, Button } from "./chakra";
import { SharedContext } from "./context";
import { Frame, tabsOf } from "./frame";
import { Audit } from "./pages/audit";
import { DagPage } from "./pages/dag";
import { ComparePage, History } from "./pages/history";
import { MyAccess } from "./pages/my-access";
import { RolesPage } from "./pages/roles";
import { TagPage, TagsPage } from "./pages/tags";
import { TeamPage } from "./pages/team";
import { Teams } from "./pages/teams";
import { Tokens } from "./pages/tokens";
import { UserPage } from "./pages/user";
import { Users } from "./pages/users";
import { Loaded, Notice } from "./parts/states";
import { to, usePlace } from "./place";

/** The address of this file, put before it when it is built; `?v=` is the hash of its content. */
declare const accessBundleUrl: string;

export type Props = { dagId?: string };

export const App = (props: Props) => (
  <Box className="astro-access" minW={0} width="full">
    <Boundary>
      <Pages {...props} />
    </Boundary>
  </Box>
);

function Pages({ dagId }: Props) {
  const answer = useGet<Me>("me");
  return <Loaded answer={answer}>{(me) => <SignedIn me={me} dagId={dagId} />}</Loaded>;
}

function SignedIn({ me, dagId }: { me: Me; dagId?: string }) {
  const [saved, setSaved] = useState<Result>();
  const done = useCallback((result: Result) => setSaved(result), []);
  const forget = useCallback(() => setSaved(undefined), []);
  const { page, names } = usePlace();
  const mine = page === "my-access";
  const frame = { saved, forget };
  const tabs = tabsOf(me);
  return (
    <SharedContext.Provider value={{ me, done }}>
      {isStale(me) ? <Stale /> : null}
      {dagId ? (
        <Frame title={`Access to ${dagId}`} {...frame}>
          <DagPage dagId={dagId} />
        </Frame>
      ) : mine ? (
        <Frame title="My access" {...frame}>
          <MyAccess />
        </Frame>
      ) : (
        <Frame title="Access" {...frame} tabs={tabs}>
          {names.length ? (
            <Page names={names} key={names.join("/")} />
          ) : (
            <Navigate to={to(tabs[0]?.[0] ?? "me")} replace />
          )}
        </Frame>
      )}
    </SharedContext.Provider>
  );
}

function Page({ names: [kind, first, second] }: { names: string[] }) {
  switch (kind) {
    case "users":
      return first ? <UserPage email={first} /> : <Users />;
    case "teams":
      return first ? <TeamPage name={first} /> : <Teams />;
    case "tokens":
      return <Tokens />;
    case "roles":
      return <RolesPage />;
    case "tags":
      return first ? <TagPage tag={first} /> : <TagsPage />;
    case "dags":
      return first ? <DagPage dagId={first} title /> : <TagsPage />;
    case "history":
      return first && second ? <ComparePage from={first} until={second} /> : <History />;
    case "audit":
      return <Audit />;
    case "me":
      return <MyAccess />;
    default:
      return <Notice status="warning" title="There is no such page" />;
  }
}

const isStale = (me: Me): boolean => {
  const own = new URL(accessBundleUrl, document.baseURI).searchParams.get("v");
  return me.api_version !== 1 || Boolean(own && me.bundle && own !== me.bundle);
};

const Stale = () => (
  <Notice
    status="warning"
    title="Airflow was upgraded, and this page is the old one"
    action={
      <Button size="sm" variant="outline" onClick={() => location.reload()}>
        Reload
      </Button>
    }
  />
);

/** An error of this page stays in this page. */
class Boundary extends Component<{ children: ReactNode }, { error: Error | undefined }> {
  override state: { error: Error | undefined } = { error: undefined };

  static getDerivedStateFromError(error: Error) {
    return { error };
  }

  override render() {
    if (!this.state.error) return this.props.children;
    return (
      <Notice
        status="error"
        title="This page has an error"
        action={
          <Button size="sm" variant="outline" onClick={() => location.reload()}>
            Reload
          </Button>
        }
      >
        {this.state.error.message}
      </Notice>
    );
  }
}
