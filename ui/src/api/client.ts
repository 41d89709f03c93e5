/** Asks `/access/api/v1` as the signed-in user; the browser adds the cookie. */

/** An answer that is an error. `status` is 0 where no answer came; `body` is the JSON of the answer. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly body: Record<string, unknown> = {},
  ) {
    super(message);
  }
}

type Options = { body?: unknown; etag?: string | undefined; signal?: AbortSignal };

/** The absolute address of something below Airflow's own address, which may have a path. */
export const address = (path: string): string => new URL(path, document.baseURI).href;

const api = (path: string): string => address(`access/api/v1/${path}`);

/** Returns the JSON of an answer; throws ApiError for everything that is not a success. */
export async function call<T>(method: string, path: string, { body, etag, signal }: Options = {}): Promise<T> {
  const headers: Record<string, string> = { Accept: "application/json" };
  if (method !== "GET") headers["Content-Type"] = "application/json";
  if (etag) headers["If-Match"] = `"${etag}"`;
  const content = method === "GET" ? undefined : JSON.stringify(body ?? {});
  const answer = await fetch(api(path), { method, headers, body: content, signal, credentials: "same-origin" }).catch(
    (error: unknown) => {
      if (signal?.aborted) throw error;
      throw new ApiError(0, "away", "The server does not answer. Look at your network, then try again.");
    },
  );
  const json = (await answer.json().catch(() => ({}))) as Record<string, unknown>;
  if (answer.ok) return json as T;
  throw new ApiError(answer.status, String(json.code ?? ""), said(json.detail, answer.status), json);
}

function said(detail: unknown, status: number): string {
  if (typeof detail === "string" && detail) return detail;
  return detail ? JSON.stringify(detail) : `The server answered ${status} without a reason.`;
}

/** The query `?a=1&b=2` of what is not empty. */
export function query(values: Record<string, string | number | boolean | null | undefined>): string {
  const kept = Object.entries(values).filter(([, value]) => value !== "" && value !== null && value !== undefined);
  return kept.length ? `?${new URLSearchParams(kept.map(([key, value]) => [key, String(value)]))}` : "";
}
