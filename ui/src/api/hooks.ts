import { ApiError, call } from "./client";
import { startTransition, useCallback, useEffect, useState } from "../react";

export type Answer<T> = { data: T | undefined; error: ApiError | undefined; reload: () => void };

const listeners = new Set<() => void>();

/** Says that the policy has changed: everything on the page asks again, unless it leaves the page at the same time. */
export const policyChanged = (): void => startTransition(() => listeners.forEach((listener) => listener()));

type State<T> = { path: string | null; data?: T; error?: ApiError };

/** What was there stays beside an error of the server, and goes where it may no longer be seen. */
function failed<T>(before: State<T>, path: string, error: ApiError): State<T> {
  const keeps = before.path === path && (error.status === 0 || error.status === 401 || error.status >= 500);
  return keeps ? { ...before, error } : { path, error };
}

// Airflow draws the component anew whenever the path changes. What all pages need is there at once then.
const remembered = new Map<string, unknown>();
const REMEMBERED = ["me", "actions"];

/** What the API says at a path; null asks nothing. The data of the same path stays while it is asked for again. */
export function useGet<T>(path: string | null): Answer<T> {
  const [state, setState] = useState<State<T>>({ path, data: remembered.get(path ?? "") as T | undefined });
  const [turn, setTurn] = useState(0);
  const reload = useCallback(() => setTurn((before) => before + 1), []);
  useEffect(() => {
    listeners.add(reload);
    return () => void listeners.delete(reload);
  }, [reload]);
  useEffect(() => {
    if (path === null) return undefined;
    const control = new AbortController();
    call<T>("GET", path, { signal: control.signal })
      .then((data) => {
        if (REMEMBERED.includes(path)) remembered.set(path, data);
        setState({ path, data });
      })
      .catch((error: unknown) => {
        if (!control.signal.aborted) setState((before) => failed(before, path, asApiError(error)));
      });
    return () => control.abort();
  }, [path, turn]);
  const fresh = state.path === path;
  return { data: fresh ? state.data : undefined, error: fresh ? state.error : undefined, reload };
}

export const asApiError = (error: unknown): ApiError =>
  error instanceof ApiError ? error : new ApiError(0, "script", String(error));

/** A value that has not changed for a moment, so that not every key asks the server. */
export function useSettled<T>(value: T, milliseconds = 250): T {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), milliseconds);
    return () => clearTimeout(timer);
  }, [value, milliseconds]);
  return settled;
}
