/** Where dialogs are drawn: above Airflow's page, and inside of an element that has our variables of CSS. */
export const layer: { current: HTMLElement } = {
  get current() {
    const known = document.querySelector<HTMLElement>("body > .astro-access");
    if (known) return known;
    const made = document.createElement("div");
    made.className = "astro-access";
    document.body.append(made);
    return made;
  },
};
