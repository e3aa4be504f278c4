import { Refused } from "../../components/oauth/Refused.tsx";

/** Where `/oauth2/authorize` leads when a request is not good. It never goes back to an address out of it. */
export function RefusedPage() {
  return <Refused reason={new URLSearchParams(window.location.search).get("reason") ?? "request"} />;
}
