// With Airflow's own Chakra UI, if it has all that the pages use; else the bundle that has it inside is loaded.
import { lazy, Suspense } from "react";

import { App, type Props } from "./app";
import { complete } from "./chakra";
import { publish } from "./publish";

declare const accessBundleUrl: string;

const Full = lazy(async () => {
  await import(/* @vite-ignore */ accessBundleUrl.replace("access.js", "access-full.js"));
  return { default: Reflect.get(globalThis, "AstroAccessFull") as typeof App };
});

const WithOwnChakra = (props: Props) => (
  <Suspense>
    <Full {...props} />
  </Suspense>
);

publish(complete ? App : WithOwnChakra);
