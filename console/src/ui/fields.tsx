import { Eye, EyeOff } from "lucide-react";
import { type ComponentProps, type ReactNode, useId, useState } from "react";
import { useFormContext } from "react-hook-form";
import { IconButton } from "./Button.tsx";
import { classes } from "./classes.ts";
import { type Rules, useTextField } from "./Form.tsx";
import { INPUT, INPUT_LOOK } from "./input-class.ts";

/** The fields of a form. Each takes its name in the form's values, its label, and its rules in words. */

interface FieldProps {
  readonly id: string;
  readonly label: string;
  readonly hint?: ReactNode;
  readonly error?: string | undefined;
  readonly children: ReactNode;
}

function Field({ id, label, hint, error, children }: FieldProps) {
  return (
    <div className="flex flex-col gap-1">
      <label htmlFor={id} className="font-medium">
        {label}
      </label>
      {children}
      {error && (
        <p id={`${id}-error`} className="text-13 text-danger">
          {error}
        </p>
      )}
      {hint && (
        <p id={`${id}-hint`} className="text-13 text-muted">
          {hint}
        </p>
      )}
    </div>
  );
}

interface TextFieldProps extends Omit<ComponentProps<"input">, "name" | "pattern" | "required"> {
  readonly name: string;
  readonly label: string;
  readonly hint?: ReactNode;
  readonly rules?: Rules;
}

export function TextField({ name, label, hint, rules, className, ...props }: TextFieldProps) {
  const { id, error, control } = useTextField(name, rules, hint !== undefined);
  return (
    <Field id={id} label={label} hint={hint} error={error}>
      <input type="text" autoComplete="off" {...props} {...control} className={classes(INPUT, className)} />
    </Field>
  );
}

interface TextAreaFieldProps extends Omit<ComponentProps<"textarea">, "name" | "required"> {
  readonly name: string;
  readonly label: string;
  readonly hint?: ReactNode;
  readonly rules?: Rules;
}

/** Lines of text that are read by a program. */
export function TextAreaField({ name, label, hint, rules, ...props }: TextAreaFieldProps) {
  const { id, error, control } = useTextField(name, rules, hint !== undefined);
  return (
    <Field id={id} label={label} hint={hint} error={error}>
      <textarea
        rows={4}
        spellCheck={false}
        autoComplete="off"
        {...props}
        {...control}
        className={classes(INPUT_LOOK, "resize-y py-1.5 font-mono")}
      />
    </Field>
  );
}

/** A password; it can be looked at while it is typed (WCAG 3.3.8 wants pasting to work too, and it does). */
export function PasswordField({ name, label, hint, rules, ...props }: TextFieldProps) {
  const { id, error, control } = useTextField(name, rules, hint !== undefined);
  const [visible, setVisible] = useState(false);
  return (
    <Field id={id} label={label} hint={hint} error={error}>
      <div className="relative">
        <input {...props} {...control} type={visible ? "text" : "password"} className={classes(INPUT, "pr-10")} />
        <IconButton
          type="button"
          label={visible ? "Hide password" : "Show password"}
          className="absolute top-0.5 right-0.5"
          onClick={() => setVisible(!visible)}
        >
          {visible ? <EyeOff aria-hidden /> : <Eye aria-hidden />}
        </IconButton>
      </div>
    </Field>
  );
}

export interface Option {
  readonly value: string;
  readonly label: string;
  readonly hint?: string | undefined;
  /** Why it cannot be chosen. */
  readonly disabled_reason?: string | undefined;
}

interface SelectFieldProps {
  readonly name: string;
  readonly label: string;
  readonly hint?: ReactNode;
  readonly options: readonly Option[];
  readonly rules?: Rules;
  readonly placeholder?: string;
}

/** The browser's own list: it knows the keyboard, the screen reader and the telephone better than any of ours. */
export function SelectField({ name, label, hint, options, rules, placeholder }: SelectFieldProps) {
  const { id, error, control } = useTextField(name, rules, hint !== undefined);
  return (
    <Field id={id} label={label} hint={hint} error={error}>
      <select {...control} className={classes(INPUT, "cursor-default pr-8")}>
        {placeholder && <option value="">{placeholder}</option>}
        {options.map((option) => (
          <option key={option.value} value={option.value} disabled={option.disabled_reason !== undefined}>
            {option.label}
          </option>
        ))}
      </select>
    </Field>
  );
}

interface RadioFieldProps {
  readonly name: string;
  readonly legend: string;
  readonly options: readonly Option[];
}

export function RadioField({ name, legend, options }: RadioFieldProps) {
  const form = useFormContext();
  const id = useId();
  return (
    <fieldset className="flex flex-col gap-1">
      <legend className="pb-1 font-medium">{legend}</legend>
      {options.map((option) => {
        const note = option.disabled_reason ?? option.hint;
        return (
          <div
            key={option.value}
            className={classes("flex gap-2.5 py-1", option.disabled_reason !== undefined && "text-muted")}
          >
            <input
              id={`${id}-${option.value}`}
              type="radio"
              value={option.value}
              disabled={option.disabled_reason !== undefined}
              aria-describedby={note ? `${id}-${option.value}-note` : undefined}
              className="mt-0.5 size-4 shrink-0 accent-accent"
              {...form.register(name)}
            />
            <div className="flex flex-1 flex-col">
              <label htmlFor={`${id}-${option.value}`}>{option.label}</label>
              {note && (
                <p id={`${id}-${option.value}-note`} className="text-13 text-muted">
                  {note}
                </p>
              )}
            </div>
          </div>
        );
      })}
    </fieldset>
  );
}
