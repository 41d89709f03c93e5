import type { ReactNode } from "react";

import { Button, Dialog, Portal } from "../chakra";
import { layer } from "./layer";
import { useRef } from "../react";

/**
 * A dialog that is open for as long as it is there, with the focus in its first field. With `keep` only its own
 * buttons close it.
 */
export function Modal({
  title,
  onClose,
  children,
  keep = false,
}: {
  title: string;
  onClose: () => void;
  children: ReactNode;
  keep?: boolean;
}) {
  const content = useRef<HTMLDivElement>(null);
  return (
    <Dialog.Root
      open
      initialFocusEl={() => content.current?.querySelector<HTMLElement>("form input, form select") ?? content.current}
      size="lg"
      scrollBehavior="inside"
      role={keep ? "alertdialog" : "dialog"}
      closeOnEscape={!keep}
      closeOnInteractOutside={false}
      onOpenChange={(event: { open: boolean }) => {
        if (!event.open) onClose();
      }}
    >
      <Portal container={layer}>
        <Dialog.Backdrop />
        <Dialog.Positioner>
          <Dialog.Content ref={content}>
            <Dialog.Header>
              <Dialog.Title>{title}</Dialog.Title>
            </Dialog.Header>
            <Dialog.Body>{children}</Dialog.Body>
            {keep ? null : (
              <Dialog.CloseTrigger asChild position="absolute" top={2} insetEnd={2}>
                <Button size="xs" variant="ghost" aria-label="Close">
                  ✕
                </Button>
              </Dialog.CloseTrigger>
            )}
          </Dialog.Content>
        </Dialog.Positioner>
      </Portal>
    </Dialog.Root>
  );
}
