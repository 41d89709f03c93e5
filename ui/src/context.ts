import type { Actions, Me, Result } from "./api/types";
import { createContext, useContext } from "./react";

/** What is kept of a change that is done: never the secret of an API token. */
export type Saved = Pick<Result, "version"> & { revertible: boolean };

/** What every page knows: who is signed in, what users do, and whom to tell that a change is done. */
export type Shared = { me: Me; actions: Actions["actions"]; titles: Actions["titles"]; done: (saved: Saved) => void };

export const SharedContext = createContext<Shared | undefined>(undefined);

export function useShared(): Shared {
  const shared = useContext(SharedContext);
  if (!shared) throw new Error("outside of the Access pages");
  return shared;
}

/** Puts names of actions and permissions into words. */
export function useActionWords(): (name: string) => string {
  const { titles } = useShared();
  return (name) => titles[name] ?? name;
}
