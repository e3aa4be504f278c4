import { Toast } from "@base-ui/react/toast";
import { X } from "lucide-react";
import { IconButton } from "./Button.tsx";

const manager = Toast.createToastManager();

/** Says what has happened, away from where the eye is. Never for what must be read: a secret, an error with a way on. */
export function announce(text: string): void {
  manager.add({ title: text });
}

export function Toasts() {
  return (
    <Toast.Provider toastManager={manager} timeout={6_000} limit={3}>
      <Toast.Portal>
        <Toast.Viewport className="fixed right-4 bottom-4 z-50 flex w-[calc(100vw-2rem)] max-w-96 flex-col gap-2">
          <ToastList />
        </Toast.Viewport>
      </Toast.Portal>
    </Toast.Provider>
  );
}

function ToastList() {
  const { toasts } = Toast.useToastManager();
  return toasts.map((toast) => (
    <Toast.Root
      key={toast.id}
      toast={toast}
      className="flex items-center gap-3 rounded-lg border border-line bg-raised py-2 pr-2 pl-4 shadow-popup data-limited:hidden"
    >
      <Toast.Content className="flex-1">
        <Toast.Title className="text-14 font-normal" />
      </Toast.Content>
      <Toast.Close render={<IconButton label="Dismiss" />}>
        <X aria-hidden />
      </Toast.Close>
    </Toast.Root>
  ));
}
