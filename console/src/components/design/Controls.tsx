import { Link } from "@tanstack/react-router";
import { Plus, Search, Trash2 } from "lucide-react";
import { useState } from "react";
import { paths } from "../../paths.ts";
import { Button, IconButton } from "../../ui/Button.tsx";
import { Check } from "../../ui/Check.tsx";
import { Code, Mono } from "../../ui/Code.tsx";
import { CopyButton } from "../../ui/CopyButton.tsx";
import { Actions, AlertDialog, Dialog } from "../../ui/Dialog.tsx";
import { Form, FormRefusal } from "../../ui/Form.tsx";
import { PasswordField, RadioField, SelectField, TextAreaField, TextField } from "../../ui/fields.tsx";
import { Menu, MenuChoice, MenuGroup, MenuItem, MenuLink, MenuSeparator } from "../../ui/Menu.tsx";
import { Section } from "../../ui/Page.tsx";
import { Select } from "../../ui/Select.tsx";
import { announce } from "../../ui/Toasts.tsx";
import { Tooltip } from "../../ui/Tooltip.tsx";

const STEPS = [
  { value: "hour", label: "Hour" },
  { value: "day", label: "Day" },
];

export function Controls() {
  const [shown, setShown] = useState("day");
  return (
    <>
      <Section
        title="Buttons"
        description="The word is the verb. One that cannot be pressed says why, and keeps its focus."
      >
        <div className="flex flex-wrap items-center gap-2">
          <Button kind="primary">
            <Plus aria-hidden />
            Create
          </Button>
          <Button>Cancel</Button>
          <Button kind="quiet">Not now</Button>
          <Button kind="danger">
            <Trash2 aria-hidden />
            Delete
          </Button>
          <Button kind="primary" disabled_reason="Tick the box first.">
            Done
          </Button>
          <Button kind="primary" busy>
            Saving
          </Button>
          <IconButton label="Search">
            <Search aria-hidden />
          </IconButton>
          <Tooltip text="It repeats or adds; what must be known is never here alone.">
            <Button kind="quiet">Tooltip</Button>
          </Tooltip>
          <CopyButton text="copied from the design page" what="example" />
          <CopyButton text="copied from the design page" what="example with a word" with_word />
        </div>
      </Section>
      <Section title="Menu and dialogs">
        <Popups />
      </Section>
      <Section title="Choice" description="Outside of a form, where a choice holds at once.">
        <div className="flex">
          <Select label="Shown by" value={shown} options={STEPS} onChange={setShown} />
        </div>
      </Section>
      <Section title="Form" description="Errors stand beside their field; the first takes the focus.">
        <ExampleForm />
      </Section>
      <Section title="Code">
        <Code text="postgresql://app:••••••••@127.0.0.1:55432/app?sslmode=require" what="connection string" />
        <p>
          An id in running text: <Mono>quiet-river-12345678</Mono>.
        </p>
      </Section>
    </>
  );
}

function Popups() {
  const [open, setOpen] = useState<"dialog" | "alert">();
  const [step, setStep] = useState("day");
  const close = () => setOpen(undefined);
  return (
    <div className="flex flex-wrap gap-2">
      <Menu trigger={<Button>Menu</Button>}>
        <MenuGroup label="Group">
          <MenuItem onClick={() => announce("You chose an item.")}>Item</MenuItem>
          <MenuItem onClick={() => {}} disabled_reason="Only admins can.">
            Not for you
          </MenuItem>
        </MenuGroup>
        <MenuSeparator />
        <MenuLink link={<Link to={paths.design()} />} current>
          A link, to where one is
        </MenuLink>
        <MenuChoice label="Shown by" value={step} options={STEPS} onChange={setStep} />
        <MenuSeparator />
        <MenuItem danger onClick={() => setOpen("alert")}>
          Delete…
        </MenuItem>
      </Menu>
      <Button onClick={() => setOpen("dialog")}>Dialog</Button>
      <Button onClick={() => setOpen("alert")}>Question</Button>
      <Button onClick={() => announce("Said in a corner, and gone in six seconds.")}>Announce</Button>
      <Dialog open={open === "dialog"} onClose={close} title="A dialog" description="For a task of its own.">
        <p>Escape, the button at the corner and a press outside close it.</p>
        <Actions>
          <Button kind="primary" onClick={close}>
            Done
          </Button>
        </Actions>
      </Dialog>
      <AlertDialog
        open={open === "alert"}
        onClose={close}
        title="Delete it?"
        description={<p>A question says what happens. A press outside is no answer.</p>}
      >
        <Actions>
          <Button onClick={close}>Cancel</Button>
          <Button kind="danger" onClick={close}>
            Delete
          </Button>
        </Actions>
      </AlertDialog>
    </div>
  );
}

function ExampleForm() {
  const [checked, setChecked] = useState(false);
  return (
    <Form
      label="Example"
      className="max-w-[480px]"
      defaults={{ name: "", password: "", kind: "one", choice: "", lines: "" }}
      onSubmit={async () => {
        throw new Error("refused");
      }}
      explain={() => ({ title: "The request was refused", message: "This form always is.", request_id: "0b1c2d3e" })}
    >
      <TextField name="name" label="Name" hint="What will use it?" rules={{ required: "Give it a name." }} />
      <PasswordField
        name="password"
        label="Password"
        autoComplete="off"
        rules={{ min_length: [8, "Use at least 8 characters."] }}
      />
      <RadioField
        name="kind"
        legend="Kind"
        options={[
          { value: "one", label: "One", hint: "With a hint." },
          { value: "two", label: "Two" },
          { value: "three", label: "Three", disabled_reason: "Not offered here." },
        ]}
      />
      <SelectField
        name="choice"
        label="Choice"
        placeholder="Choose one"
        options={[{ value: "a", label: "The first" }]}
      />
      <TextAreaField name="lines" label="Lines" placeholder="one = 1" hint="One a line." />
      <Check label="I have read this" checked={checked} onChange={setChecked} />
      <FormRefusal />
      <Button type="submit" kind="primary" className="self-start">
        Send
      </Button>
    </Form>
  );
}
