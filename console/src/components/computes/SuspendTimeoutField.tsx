import { SelectField } from "../../ui/fields.tsx";
import { timeoutOptions } from "./suspend-timeout.ts";

/** When a compute is suspended by itself; `now` is what is chosen at present. */
export function SuspendTimeoutField({ name, now }: { readonly name: string; readonly now: string }) {
  return (
    <SelectField
      name={name}
      label="Suspend"
      options={timeoutOptions(now)}
      hint="It is in use while a query runs or a transaction is open, and starts again when a client connects."
    />
  );
}
