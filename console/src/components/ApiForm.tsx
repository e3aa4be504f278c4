import type { RouteContract } from "@latchkey/contract/route.ts";
import type { ReactNode } from "react";
import type { DefaultValues, FieldValues } from "react-hook-form";
import { explain, isAnswerLost } from "../api/errors.ts";
import { refresh } from "../api/queries.ts";
import { Button, type ButtonKind } from "../ui/Button.tsx";
import { Form, type Refusal, useSubmitting } from "../ui/Form.tsx";

interface ApiFormProps<Values extends FieldValues> {
  readonly defaults: DefaultValues<Values>;
  readonly follows_defaults?: boolean;
  readonly onSubmit: (values: Values) => Promise<void>;
  /** The refusals that this form knows better words for; undefined leaves it to the general ones. */
  readonly refusal?: (error: unknown) => Refusal<Values> | undefined;
  /** Of a form that makes something: the lists that show whether it exists, and what to do when no answer tells. */
  readonly makes?: { readonly listed_by: readonly RouteContract[]; readonly lost: string };
  readonly children: ReactNode;
  readonly className?: string;
  readonly label?: string;
}

/** A form whose answer comes from the API. */
export function ApiForm<Values extends FieldValues>({ refusal, makes, ...props }: ApiFormProps<Values>) {
  return (
    <Form<Values>
      {...props}
      explain={(error) => {
        const known = refusal?.(error);
        if (known) return known;
        const { title, detail, request_id } = explain(error);
        if (makes === undefined || !isAnswerLost(error)) return { title, message: detail, request_id };
        void refresh(...makes.listed_by);
        return { title, message: makes.lost, request_id };
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

/** Leaves a form whose answer must be seen: not while it is on its way. */
export function Cancel({ onClick }: { readonly onClick: () => void }) {
  return (
    <Button busy={useSubmitting()} onClick={onClick}>
      Cancel
    </Button>
  );
}
