import { type Client, createClient } from "@latchkey/sdk";

const client = createClient({ base_url: window.location.origin });
let onFailure: (error: unknown) => void = () => {};

/** Told of every call that fails, before whoever made it is. */
export function whenCallFails(listener: (error: unknown) => void): void {
  onFailure = listener;
}

/** The API of the server that this page came from; the session cookie is the credential. */
export const api: Client = {
  ...client,
  call: async (route, ...input) => {
    try {
      return await client.call(route, ...input);
    } catch (error) {
      onFailure(error);
      throw error;
    }
  },
};
