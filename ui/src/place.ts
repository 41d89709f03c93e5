// Where the pages are: below `/plugin/access`, `/plugin/my-access` or `/dags/x/plugin/access-dag`.
import { useLocation } from "react-router-dom";

/** The address of the nav page; links lead here from everywhere. */
export const HOME = "/plugin/access";

/** What of the address lies below the page, as a list of decoded names. */
export function usePlace(): { page: string; names: string[] } {
  const { pathname } = useLocation();
  const [, page = "", below = ""] = /\/plugin\/([^/]+)\/?(.*)$/.exec(pathname) ?? [];
  return { page, names: below.split("/").filter(Boolean).map(decoded) };
}

const decoded = (name: string): string => {
  try {
    return decodeURIComponent(name);
  } catch {
    return name;
  }
};

/** The address of one of our pages, such as `to("users", email)`. */
export const to = (...names: string[]): string => [HOME, ...names.map(encodeURIComponent)].join("/");
