// With Chakra UI inside. It must not touch what Airflow's own has set: no reset, no global styles, variables of its own.
import { ChakraProvider, createSystem, defaultConfig } from "@chakra-ui/react";

import { App, type Props } from "./app";
import { BRAND } from "./brand";
import { publish } from "./publish";

const system = createSystem(defaultConfig, {
  preflight: false,
  globalCss: {},
  cssVarsRoot: ".astro-access",
  theme: BRAND,
});

const FullApp = (props: Props) => (
  <ChakraProvider value={system}>
    <App {...props} />
  </ChakraProvider>
);

publish(FullApp, "AstroAccessFull");
