import { useWatch } from "react-hook-form";
import { SelectField, TextField } from "../../ui/fields.tsx";

/** When a branch ends by itself: the two fields of it, and what they mean. */
export interface Expiry {
  /** A span in seconds, `never`, or `at` for the moment of the second field. */
  readonly expires: string;
  /** In the person's zone, as the browser's field gives it: `2026-11-23T18:30`. */
  readonly expires_at: string;
}

const SPANS = [
  { value: "never", label: "Never" },
  { value: "3600", label: "In 1 hour" },
  { value: "86400", label: "In 1 day" },
  { value: "604800", label: "In 7 days" },
  { value: "2592000", label: "In 30 days" },
  { value: "at", label: "At a time of your choice" },
];

export function ExpiryFields() {
  const expires: unknown = useWatch({ name: "expires" });
  return (
    <>
      <SelectField
        name="expires"
        label="Delete it"
        options={SPANS}
        hint="When its time has come it is deleted with its data, unless other branches come from it by then."
      />
      {expires === "at" && (
        <TextField
          name="expires_at"
          label="Time"
          type="datetime-local"
          hint={`In your time zone, ${Intl.DateTimeFormat().resolvedOptions().timeZone}.`}
          rules={{
            required: "Choose a time.",
            check: (value) => Date.parse(value) > Date.now() || "Choose a time that is still to come.",
          }}
        />
      )}
    </>
  );
}

/** The moment for the API; null: never. */
export function readExpiry({ expires, expires_at }: Expiry): string | null {
  if (expires === "never") return null;
  const at_ms = expires === "at" ? Date.parse(expires_at) : Date.now() + Number(expires) * 1000;
  return new Date(at_ms).toISOString();
}

/** The fields' values for a branch that expires then. */
export function writeExpiry(expires_at: string | undefined): Expiry {
  if (expires_at === undefined) return { expires: "never", expires_at: "" };
  const at = new Date(expires_at);
  const local = new Date(at.getTime() - at.getTimezoneOffset() * 60_000);
  return { expires: "at", expires_at: local.toISOString().slice(0, 16) };
}
