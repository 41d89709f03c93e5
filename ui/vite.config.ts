// Two bundles of the same pages: `access.js` takes React, its router and Chakra UI from Airflow (3.2 and newer),
// `access-full.js` has Chakra UI inside, for Airflow 3.1, which does not share it.
import { existsSync, readFileSync } from "node:fs";
import { defineConfig, type Plugin } from "vite";

const HOST = {
  react: "React",
  "react/jsx-runtime": "ReactJSXRuntime",
  "react-dom": "ReactDOM",
  "react-router-dom": "ReactRouterDOM",
};

// Airflow imports the file as a module. Only there can it learn its own address; inside of an IIFE it cannot.
const ownAddress: Plugin = {
  name: "own-address",
  generateBundle(_, bundle) {
    for (const file of Object.values(bundle)) {
      if (file.type === "chunk") file.code = `const accessBundleUrl=import.meta.url;${file.code}`;
    }
  },
};

// Whatever code of others is inside of the bundle comes with its licence.
const licences: Plugin = {
  name: "licences",
  generateBundle(_, bundle) {
    const folders = new Set<string>();
    for (const file of Object.values(bundle)) {
      if (file.type !== "chunk") continue;
      for (const [id, { renderedLength }] of Object.entries(file.modules)) {
        const folder = /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+/.exec(id)?.[0].replace(/^\0/, "");
        if (folder && renderedLength) folders.add(folder);
      }
    }
    const source = [...folders]
      .sort()
      .map(licence)
      .join(`\n${"-".repeat(80)}\n`);
    if (source) this.emitFile({ type: "asset", fileName: "access-full.licences.txt", source });
  },
};

function licence(folder: string): string {
  const { name, version, license } = JSON.parse(readFileSync(`${folder}/package.json`, "utf8"));
  const file = ["LICENSE", "LICENSE.md", "license", "LICENSE.txt", "license.md"].find((one) =>
    existsSync(`${folder}/${one}`),
  );
  return `${name} ${version} (${license})\n\n${file ? readFileSync(`${folder}/${file}`, "utf8") : ""}`;
}

export default defineConfig(({ mode }) => {
  const full = mode === "full";
  const globals: Record<string, string> = full ? HOST : { ...HOST, "@chakra-ui/react": "ChakraUI" };
  return {
    define: { "process.env.NODE_ENV": '"production"' },
    plugins: [ownAddress, licences],
    esbuild: { jsx: "transform", jsxFactory: "h", jsxFragment: "F", jsxInject: 'import { h, F } from "/src/react";' },
    logLevel: "warn",
    build: {
      target: "es2022",
      outDir: "../astro_auth_plugin/access_api/static",
      emptyOutDir: false,
      lib: {
        entry: full ? "src/main-full.tsx" : "src/main.tsx",
        formats: ["iife"],
        name: "AccessPages",
        fileName: () => (full ? "access-full.js" : "access.js"),
      },
      rollupOptions: {
        external: Object.keys(globals),
        output: { globals },
        onwarn: (warning, warn) => {
          if (warning.code !== "MODULE_LEVEL_DIRECTIVE") warn(warning); // "use client" means nothing here
        },
      },
    },
  };
});
