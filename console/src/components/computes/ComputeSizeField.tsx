import { getActiveRegions } from "@latchkey/contract/users.ts";
import { useQuery } from "@tanstack/react-query";
import { query } from "../../api/queries.ts";
import { SelectField } from "../../ui/fields.tsx";
import { sizeOptions } from "./compute-size.ts";

interface ComputeSizeFieldProps {
  readonly name: string;
  /** What is chosen at present. */
  readonly now: string;
  readonly hint: string;
}

/** How large a compute is, up to what the server has room for. */
export function ComputeSizeField({ name, now, hint }: ComputeSizeFieldProps) {
  const regions = useQuery(query(getActiveRegions));
  const sizes = regions.data?.regions[0]?.compute_sizes ?? [];
  return <SelectField name={name} label="Size" options={sizeOptions(sizes, now)} hint={hint} />;
}
