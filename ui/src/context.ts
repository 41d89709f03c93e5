import { createContext, useContext } from "react";

import type { Me, Result } from "./api/types";

/** What every page knows: who is signed in, and whom to tell that a change is done. */
export type Shared = { me: Me; done: (result: Result) => void };

export const SharedContext = createContext<Shared | undefined>(undefined);

export function useShared(): Shared {
  const shared = useContext(SharedContext);
  if (!shared) throw new Error("outside of the Access pages");
  return shared;
}
