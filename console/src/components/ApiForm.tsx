import type { ReactNode } from "react";
import type { DefaultValues, FieldValues } from "react-hook-form";
import { explain } from "../api/errors.ts";
import { Button, type ButtonKind } from "../ui/Button.tsx";
import { Form, type Refusal, useSubmitting } from "../ui/Form.tsx";

interface ApiFormProps<Values extends FieldValues> {
  readonly defaults: DefaultValues<Values>;
  readonly onSubmit: (values: Values) => Promise<void>;
  /** The refusals that this form knows better words for; undefined leaves it to the general ones. */
  readonly refusal?: (error: unknown) => Refusal<Values> | undefined;
  readonly children: ReactNode;
  readonly className?: string;
  readonly label?: string;
}

/** A form whose answer comes from the API. */
export function ApiForm<Values extends FieldValues>({ refusal, ...props }: ApiFormProps<Values>) {
  return (
    <Form<Values>
      {...props}
      explain={(error) => {
        const known = refusal?.(error);
        if (known) return known;
        const { title, detail, request_id } = explain(error);
        return { title, message: detail, request_id };
      }}
    />
  );
}

interface SubmitProps {
  readonly kind?: ButtonKind;
  /** The verb. */
  readonly children: ReactNode;
  readonly className?: string;
  readonly disabled_reason?: string | undefined;
}

export function Submit({ kind = "primary", ...props }: SubmitProps) {
  return <Button {...props} type="submit" kind={kind} busy={useSubmitting()} />;
}
