import { createContext, type ReactNode, useContext, useEffect, useId, useRef } from "react";
import {
  type DefaultValues,
  type FieldValues,
  FormProvider,
  type Path,
  useForm,
  useFormContext,
  useFormState,
} from "react-hook-form";
import { classes } from "./classes.ts";
import { Notice } from "./Notice.tsx";

/** A refusal as a form shows it: beside the field it is about, or above the buttons. */
export interface Refusal<Values> {
  readonly field?: Path<Values & FieldValues>;
  readonly title?: string;
  readonly message: string;
  readonly request_id?: string;
}

/** Told when a form below is sent, and when it is answered: what must not close in between listens. */
export const sendingContext = createContext<(sending: boolean) => void>(() => {});

interface FormProps<Values extends FieldValues> {
  readonly defaults: DefaultValues<Values>;
  /** Its fields are filled anew when the defaults are other ones, as after saving; the focus stays where it is. */
  readonly follows_defaults?: boolean;
  readonly onSubmit: (values: Values) => Promise<void>;
  /** Turns what `onSubmit` threw into words. */
  readonly explain: (error: unknown) => Refusal<Values>;
  readonly children: ReactNode;
  readonly className?: string;
  readonly label?: string;
}

/**
 * The one form. Errors stand beside their field and the first of them takes the focus; a refusal that
 * belongs to no field stands above the buttons, which are the last child. Values never reach a URL.
 */
export function Form<Values extends FieldValues>({
  defaults,
  follows_defaults = false,
  onSubmit,
  explain,
  children,
  className,
  label,
}: FormProps<Values>) {
  const form = useForm<Values>({ defaultValues: defaults, mode: "onSubmit", reValidateMode: "onChange" });
  const given = JSON.stringify(defaults);
  const filled = useRef(given);
  useEffect(() => {
    if (!follows_defaults || filled.current === given) return;
    filled.current = given;
    form.reset(JSON.parse(given) as DefaultValues<Values>);
  }, [follows_defaults, given, form]);
  const tellSending = useContext(sendingContext);
  const submit = form.handleSubmit(async (values) => {
    tellSending(true);
    try {
      await onSubmit(values as Values);
    } catch (error) {
      const { field, title, message, request_id } = explain(error);
      if (field !== undefined) {
        form.setError(field as never, { type: "server", message }, { shouldFocus: true });
        return;
      }
      form.setError("root.server", { type: JSON.stringify({ title, request_id }), message });
    } finally {
      tellSending(false);
    }
  });
  return (
    <FormProvider {...form}>
      <form
        noValidate
        method="post"
        aria-label={label}
        className={classes("flex flex-col gap-4", className)}
        onSubmit={(event) => void submit(event)}
      >
        {children}
      </form>
    </FormProvider>
  );
}

/** Where the form says what no field can. */
export function FormRefusal() {
  const { errors } = useFormState();
  const refusal = errors.root?.server;
  if (!refusal?.message) return null;
  const { title, request_id } = JSON.parse(String(refusal.type)) as { title?: string; request_id?: string };
  return (
    <Notice kind="danger" {...(title ? { title } : {})} {...(request_id ? { request_id } : {})}>
      {refusal.message}
    </Notice>
  );
}

export function useSubmitting(): boolean {
  return useFormState().isSubmitting;
}

export interface Rules {
  /** The sentence for an empty field; undefined: it may be empty. */
  readonly required?: string;
  readonly min_length?: readonly [number, string];
  readonly max_length?: readonly [number, string];
  readonly pattern?: readonly [RegExp, string];
  readonly check?: (value: string) => string | true;
}

/** Registers a text-like field under the rules, and gives what ties its parts together for assistive technology. */
export function useTextField(name: string, rules: Rules = {}, has_hint = false) {
  const id = useId();
  const form = useFormContext();
  const { errors } = useFormState({ name });
  const error = errorOf(errors, name);
  const registered = form.register(name, {
    validate: {
      // Blanks alone are no answer, and the browser's own "required" takes them for one.
      required: (value: string) => rules.required === undefined || value.trim() !== "" || rules.required,
      check: (value: string) => rules.check?.(value) ?? true,
    },
    ...(rules.min_length ? { minLength: { value: rules.min_length[0], message: rules.min_length[1] } } : {}),
    ...(rules.max_length ? { maxLength: { value: rules.max_length[0], message: rules.max_length[1] } } : {}),
    ...(rules.pattern ? { pattern: { value: rules.pattern[0], message: rules.pattern[1] } } : {}),
  });
  const described = [has_hint ? `${id}-hint` : "", error ? `${id}-error` : ""].filter(Boolean).join(" ");
  return {
    id,
    error,
    control: {
      id,
      ...registered,
      "aria-invalid": error ? true : undefined,
      "aria-describedby": described || undefined,
      "aria-required": rules.required ? true : undefined,
    },
  };
}

function errorOf(errors: object, name: string): string | undefined {
  const found = (errors as Record<string, { message?: string } | undefined>)[name];
  return found?.message;
}
