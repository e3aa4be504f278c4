import { createClient } from "@latchkey/sdk";

/** The API of the server that this page came from; the session cookie is the credential. */
export const api = createClient({ base_url: window.location.origin });
