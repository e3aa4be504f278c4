import { TextAreaField } from "../../ui/fields.tsx";
import { readSettings } from "./compute-settings.ts";

interface PostgresSettingsFieldProps {
  readonly name: string;
  readonly hint: string;
}

export function PostgresSettingsField({ name, hint }: PostgresSettingsFieldProps) {
  return (
    <TextAreaField
      name={name}
      label="PostgreSQL settings"
      placeholder="work_mem = 64MB"
      hint={hint}
      rules={{
        check: (text) => {
          const read = readSettings(text);
          return "settings" in read || `Write each as name = value. This is not: ${read.wrong_line}`;
        },
      }}
    />
  );
}
