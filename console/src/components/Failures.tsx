import { Link, useRouter } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { explain, hasStatus, isFinal } from "../api/errors.ts";
import { paths } from "../paths.ts";
import { Button, buttonClass } from "../ui/Button.tsx";
import { Notice } from "../ui/Notice.tsx";
import { Page } from "../ui/Page.tsx";
import { Logo } from "./Logo.tsx";

interface FailureProps {
  readonly error: unknown;
  readonly onRetry: () => void;
}

/** Stands where a list or a part of a page could not be read: what happened, what to do, what to quote. */
export function Failure({ error, onRetry }: FailureProps) {
  const { title, detail, request_id } = explain(error);
  return (
    <Notice
      kind={hasStatus(error, 403) ? "attention" : "danger"}
      title={title}
      request_id={hasStatus(error, 403) ? "" : request_id}
      action={isFinal(error) ? undefined : <Button onClick={onRetry}>Try again</Button>}
    >
      {detail}
    </Notice>
  );
}

/** Stands where a whole page could not be shown. */
export function PageFailed({ error }: { readonly error: unknown }) {
  const router = useRouter();
  return (
    <Alone>
      <Page title="This page could not be shown">
        <Failure error={error} onRetry={() => void router.invalidate()} />
        <HomeLink />
      </Page>
    </Alone>
  );
}

export function PageMissing() {
  return (
    <Alone>
      <Page
        title="There is no page at this address"
        description="Check the address, or start again from your projects."
      >
        <HomeLink />
      </Page>
    </Alone>
  );
}

/** The frame of what is shown in place of a page, its frame included. */
function Alone({ children }: { readonly children: ReactNode }) {
  return (
    <div className="mx-auto flex max-w-[640px] flex-col gap-10 px-4 py-10 sm:py-16">
      <header className="text-16">
        <Logo />
      </header>
      <main>{children}</main>
    </div>
  );
}

/** The way on from where a person cannot be. */
export function HomeLink() {
  return (
    <p>
      <Link to={paths.home()} className={buttonClass()}>
        Go to your projects
      </Link>
    </p>
  );
}
