import type { ComponentType } from "react";

/** The names under which Airflow looks for the component: those of the plugin's entries, and its own for all plugins. */
export function publish(component: ComponentType<never>, ...names: string[]): void {
  for (const name of ["Access", "My access", "AirflowPlugin", ...names]) Reflect.set(globalThis, name, component);
}
