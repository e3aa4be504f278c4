import { TextField } from "../../ui/fields.tsx";

interface BranchNameFieldProps {
  readonly name?: string;
  readonly label?: string;
  readonly hint?: string;
}

export function BranchNameField({ name = "name", label = "Name", hint }: BranchNameFieldProps) {
  return (
    <TextField
      name={name}
      label={label}
      {...(hint === undefined ? {} : { hint })}
      rules={{ required: "Give the branch a name.", max_length: [256, "Use up to 256 characters."] }}
    />
  );
}
