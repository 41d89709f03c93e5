// Every part of Chakra UI that the pages use. In `access.js` they are Airflow's own. Each has a name of its own, since
// one of a few letters is what is left of it in the bundle.
import * as chakra from "@chakra-ui/react";

export const Alert = chakra.Alert;
export const Badge = chakra.Badge;
export const Box = chakra.Box;
export const Button = chakra.Button;
export const Checkbox = chakra.Checkbox;
export const Code = chakra.Code;
export const Dialog = chakra.Dialog;
export const Field = chakra.Field;
export const Flex = chakra.Flex;
export const Heading = chakra.Heading;
export const Input = chakra.Input;
export const Link = chakra.Link;
export const NativeSelect = chakra.NativeSelect;
export const Portal = chakra.Portal;
export const Spinner = chakra.Spinner;
export const Stack = chakra.Stack;
export const Table = chakra.Table;
export const Text = chakra.Text;
export const Textarea = chakra.Textarea;

/** Whether Airflow's Chakra UI has all of it: a later major version may not. */
export const complete: boolean = [
  Alert?.Root,
  Badge,
  Box,
  Button,
  Checkbox?.Root,
  Code,
  Dialog?.Root,
  Field?.Root,
  Flex,
  Heading,
  Input,
  Link,
  NativeSelect?.Root,
  Portal,
  Spinner,
  Stack,
  Table?.ScrollArea,
  Text,
  Textarea,
].every(Boolean);

/** Text beside what matters more. */
export const Muted = (props: chakra.TextProps) => <Text color="fg.muted" {...props} />;

/** A button that is one of several. */
export const Outline = (props: chakra.ButtonProps) => <Button size="sm" variant="outline" {...props} />;
