import tailwindcss from "@tailwindcss/vite";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";
import { contractWithoutSchemas } from "./contract-without-schemas.ts";
import { precompress } from "./precompress.ts";

/** The server that `vite dev` sends API calls to. */
const API = "http://127.0.0.1:4411";

export default defineConfig({
  root: import.meta.dirname,
  plugins: [contractWithoutSchemas(), react(), tailwindcss(), precompress()],
  build: {
    outDir: "dist",
    emptyOutDir: true,
    // Which file needs which: `test/browser/size.test.ts` adds up what a first visit fetches.
    manifest: true,
    // `light-dark()` is how a token has two values; for older targets it would be rewritten into variables.
    target: ["chrome123", "firefox120", "safari17.5"],
    // An inlined asset is a `data:` URL, and `default-src 'self'` refuses a font that comes that way.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    // What every visit begins with is one file, rather than one and a dozen small ones that pages share with it.
    rolldownOptions: { output: { codeSplitting: { groups: [{ name: "initial", tags: ["$initial"] }] } } },
  },
  server: { proxy: { "/api": API } },
});
