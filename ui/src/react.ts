// What the pages use of React, and `h` and `F`, of which JSX becomes calls. Each has a name of its own, since one of a
// few letters is what is left of it in the bundle; and calls of `h` do not spell out `children`.
import * as React from "react";

export const h = React.createElement;
export const F = React.Fragment;
export const createContext = React.createContext;
export const startTransition = React.startTransition;
export const useCallback = React.useCallback;
export const useContext = React.useContext;
export const useEffect = React.useEffect;
export const useId = React.useId;
export const useRef = React.useRef;
export const useState = React.useState;
