// The one component that Airflow is given: the tab of a Dag if there is a Dag, else the nav page.
import { Component, type ReactNode } from "react";
import { Navigate, useLocation, useNavigate } from "react-router-dom";

import { useGet } from "./api/hooks";
import type { Actions, Me } from "./api/types";
import { Box, Outline } from "./chakra";
import { type Saved, type Shared, SharedContext } from "./context";
import { Frame, tabsOf } from "./frame";
import { Audit } from "./pages/audit";
import { DagPage } from "./pages/dag";
import { ComparePage, History } from "./pages/history";
import { MyAccess } from "./pages/my-access";
import { RolesPage } from "./pages/roles";
import { BundlesPage, TagsPage, ThroughPage } from "./pages/tags";
import { TeamPage } from "./pages/team";
import { Teams } from "./pages/teams";
import { Tokens } from "./pages/tokens";
import { UserPage } from "./pages/user";
import { Users } from "./pages/users";
import { Loaded, Notice, Waiting } from "./parts/states";
import { to, usePlace } from "./place";
import { useCallback, useEffect, useState } from "./react";

/** The address of this file, put before it when it is built; `?v=` is the hash of its content. */
declare const accessBundleUrl: string;

export type Props = { dagId?: string };

export function App(props: Props) {
  const settled = useSettledHost();
  return (
    <Box className="astro-access" minW={0} width="full">
      <Boundary>{settled ? <Pages {...props} /> : <Waiting />}</Boundary>
    </Box>
  );
}

let hostSettled = false;

/**
 * Whether Airflow will keep the component where it is. What it draws first is a wrapper that loads this file; at the
 * next change of the address it takes the component itself, and everything inside of the wrapper is gone, an open
 * dialog too. So the address is changed into itself at once, before there is anything to lose.
 */
function useSettledHost(): boolean {
  const location = useLocation();
  const navigate = useNavigate();
  const [settled, setSettled] = useState(hostSettled);
  useEffect(() => {
    if (hostSettled) return;
    hostSettled = true;
    void navigate(location, { replace: true, state: location.state });
    setSettled(true);
  }, []);
  return settled;
}

function Pages({ dagId }: Props) {
  const answer = useGet<Me>("me");
  const { actions = [], titles = {} } = useGet<Actions>("actions").data ?? {};
  return (
    <Loaded answer={answer}>{(me) => <SignedIn me={me} actions={actions} titles={titles} dagId={dagId} />}</Loaded>
  );
}

// A change may lead to another page, and Airflow draws the component anew then.
let kept: { result: Saved | undefined; at: number } | undefined;
const SHOWN_FOR = 30_000;

const lastSaved = (): Saved | undefined => (kept && Date.now() - kept.at < SHOWN_FOR ? kept.result : undefined);

function SignedIn({ me, actions, titles, dagId }: Props & Omit<Shared, "done">) {
  const [saved, setSaved] = useState(lastSaved);
  const keep = useCallback((result: Saved | undefined) => {
    kept = { result, at: Date.now() };
    setSaved(result);
  }, []);
  const forget = useCallback(() => keep(undefined), [keep]);
  const { page, names } = usePlace();
  const mine = page === "my-access";
  const frame = { saved, forget };
  const tabs = tabsOf(me);
  return (
    <SharedContext.Provider value={{ me, actions, titles, done: keep }}>
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
      return first ? <ThroughPage kind="tag" id={first} /> : <TagsPage />;
    case "bundles":
      return first ? <ThroughPage kind="bundle" id={first} folder={second} /> : <BundlesPage />;
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
      <Outline onClick={() => location.reload()}>
        Reload
      </Outline>
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
          <Outline onClick={() => location.reload()}>
            Reload
          </Outline>
        }
      >
        {this.state.error.message}
      </Notice>
    );
  }
}
