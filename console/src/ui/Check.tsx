import type { ReactNode } from "react";

interface CheckProps {
  readonly label: ReactNode;
  readonly checked: boolean;
  readonly onChange: (checked: boolean) => void;
}

/** A box of its own, outside of any form: its tick holds at once. */
export function Check({ label, checked, onChange }: CheckProps) {
  return (
    <label className="flex items-center gap-2.5 py-1">
      <input
        type="checkbox"
        checked={checked}
        onChange={(event) => onChange(event.target.checked)}
        className="size-4 shrink-0 accent-accent"
      />
      {label}
    </label>
  );
}
