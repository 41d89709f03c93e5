// Airflow's own colours, which its Chakra UI has and a new one has not.
const SHADES = ["50", "100", "200", "300", "400", "500", "600", "700", "800", "900", "950"];

const shades = (...colours: string[]) =>
  Object.fromEntries(SHADES.map((shade, index) => [shade, { value: `oklch(${colours[index]})` }]));

const brand = shades(
  "0.98 0.006 248.717",
  "0.962 0.012 249.460",
  "0.923 0.023 255.082",
  "0.865 0.039 252.420",
  "0.705 0.066 256.378",
  "0.575 0.08 257.759",
  "0.469 0.084 257.657",
  "0.399 0.084 257.850",
  "0.324 0.072 260.329",
  "0.259 0.062 265.566",
  "0.179 0.05 265.487",
);

const gray = shades(
  "0.985 0.004 253",
  "0.955 0.006 253",
  "0.915 0.01 253",
  "0.85 0.016 253",
  "0.75 0.025 252",
  "0.63 0.042 252",
  "0.45 0.055 251",
  "0.35 0.045 251",
  "0.28 0.035 251",
  "0.18 0.03 251",
  "0.11 0.025 251",
);

const pair = (light: string, dark: string) => ({
  value: { _light: `{colors.brand.${light}}`, _dark: `{colors.brand.${dark}}` },
});

export const BRAND = {
  tokens: { colors: { brand, gray } },
  semanticTokens: {
    colors: {
      brand: {
        solid: pair("600", "600"),
        contrast: { value: { _light: "white", _dark: "white" } },
        fg: pair("700", "300"),
        muted: pair("200", "800"),
        subtle: pair("100", "900"),
        emphasized: pair("300", "700"),
        focusRing: pair("500", "500"),
      },
    },
  },
};
